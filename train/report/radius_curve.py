"""Quality over the strength of the blur, gathered from a run's evaluations."""

import json
from collections.abc import Sequence
from pathlib import Path

from prepare.records.blur import LensBlur, OutputSettings
from prepare.records.files import write_json
from prepare.records.jsonl import read_object
from prepare.records.sets import KernelRecord
from prepare.records.settings import DamagedRecordError, explain_damage

# What is left out of a curve's blur, so that evaluations of before a setting existed fit in.
DEFAULTS = KernelRecord(LensBlur(), OutputSettings()).content


def write_curve(
    evaluations_dir: Path, trained_kernels: Sequence[str], unfinished: Sequence[Path] = ()
) -> dict:
    """Gathers the evaluations of a run into `curve.json`, one curve a kind of blur.

    Evaluations at another step than the newest are left out, and so are sets without one radius:
    a curve compares like with like. A damaged one is named and left out.

    Args:
        evaluations_dir: holds one folder an evaluated kernel.
        trained_kernels: names of the sets the run was trained on.
        unfinished: evaluations in the place of those of the same name; beside them goes the curve.

    Returns:
        what `curve.json` holds: {"step", "trained", "curves": [{"blur", "points": [{"kernel",
        "radius_px", "rows"}]}]}, points by radius; "trained" names the kernels of the training.
    """
    folders = {path.parent.name: path.parent for path in evaluations_dir.glob("*/metrics.json")}
    folders |= {folder.name: folder for folder in unfinished}
    found = [_read(folders[name]) for name in sorted(folders) if not name.startswith(".")]
    sets = [evaluation for evaluation in found if evaluation and not evaluation["real"]]
    content = _curves(sets, trained_kernels)
    write_json((unfinished[0].parent if unfinished else evaluations_dir) / "curve.json", content)
    return content


def _read(folder: Path) -> dict:
    """What the curve needs of an evaluation, or an empty object if it is damaged, which is said."""
    path = folder / "metrics.json"
    try:
        content = read_object(path, "run `make evaluate` again")
        with explain_damage(path, "run `make evaluate` again"):
            rows = {name: dict(row.items()) for name, row in content["rows"].items()}
            return {
                "kernel": str(content["kernel"]),
                "step": int(content["step"]),
                "blur": dict(content.get("blur", {})),
                "real": "real" in content,
                "rows": rows,
            }
    except DamagedRecordError as error:
        print(f"left out of the curve: {error}")
        return {}


def _curves(evaluations: Sequence[dict], trained_kernels: Sequence[str]) -> dict:
    step = max((evaluation["step"] for evaluation in evaluations), default=0)
    curves: dict[str, dict] = {}
    for evaluation in evaluations:
        blur = dict(evaluation["blur"])
        blur.pop("kernel", None)
        radius_px = blur.pop("radius_px", None)
        blur = {name: value for name, value in blur.items() if value != DEFAULTS.get(name)}
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
    return {
        "step": step,
        "trained": list(trained_kernels),
        "curves": [curves[key] for key in sorted(curves)],
    }
