"""Quality over the strength of the blur, gathered from a run's evaluations."""

import json
from collections.abc import Sequence
from pathlib import Path

from prepare.records.atomic import write_json


def write_curve(evaluations_dir: Path, trained_kernels: Sequence[str]) -> dict:
    """Gathers the evaluations of a run into `curve.json`, one curve a kind of blur.

    Evaluations at another step than the newest are left out, and so are sets without one radius:
    a curve compares like with like.

    Args:
        evaluations_dir: holds one folder an evaluated kernel.
        trained_kernels: names of the sets the run was trained on.

    Returns:
        what `curve.json` holds: {"step", "trained", "curves": [{"blur", "points": [{"kernel",
        "radius_px", "rows"}]}]}, points by radius; "trained" names the kernels of the training.
    """
    evaluations = [json.loads(path.read_text()) for path in evaluations_dir.glob("*/metrics.json")]
    step = max((evaluation["step"] for evaluation in evaluations), default=0)
    curves: dict[str, dict] = {}
    for evaluation in evaluations:
        blur = dict(evaluation.get("blur", {}))
        blur.pop("kernel", None)
        radius_px = blur.pop("radius_px", None)
        if evaluation["step"] != step or not isinstance(radius_px, int | float):
            continue
        curve = curves.setdefault(json.dumps(blur, sort_keys=True), {"blur": blur, "points": []})
        curve["points"].append(
            {
                "kernel": evaluation["kernel"],
                "radius_px": radius_px,
                "rows": evaluation["rows"],
            }
        )
    for curve in curves.values():
        curve["points"].sort(key=lambda point: point["radius_px"])
    content = {
        "step": step,
        "trained": list(trained_kernels),
        "curves": [curves[key] for key in sorted(curves)],
    }
    write_json(evaluations_dir / "curve.json", content)
    return content
