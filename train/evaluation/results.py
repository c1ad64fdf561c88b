"""The results in a run's folder `evaluation`: one folder per set and per folder of real pairs.

`metrics.json` is removed first and written last. An evaluation is complete only if it exists.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prepare.records.blur import LensBlur, OutputSettings
from prepare.records.data_folder import ImageId
from prepare.records.jsonl import JsonLines, read_json
from prepare.records.sets import KernelRecord
from prepare.records.settings import DamagedRecordError, explain_damage
from train import TrainError

METRICS, TABLE, SCORE_LOG, PAGE = "metrics.json", "per_image.csv", "scores.jsonl", "report.html"
CURVE = "curve.json"  # beside the folders
PICTURES, SHEETS = "restored", "sheets"  # folders; only real pairs have the latter
EVALUATE_AGAIN = "run `make evaluate` again"


class NoEvaluationError(TrainError):
    """A run was not evaluated on this, or not to the end."""


@dataclass(frozen=True)
class ImageScores:
    """A line of `scores.jsonl`: the scores of one image."""

    id: ImageId
    subject: str  # hash of what is evaluated and how
    files: str  # hash of the image's files
    scores: dict[str, float]  # by row and metric, as "restored_psnr_db"


def score_log(folder: Path) -> JsonLines[ImageScores]:
    """The scores of an evaluation's images; a line that is damaged is not there."""
    return JsonLines(folder / SCORE_LOG, ImageScores, EVALUATE_AGAIN, skip_damaged=True)


def evaluated_in(evaluations_dir: Path) -> list[str]:
    """Names of the sets and folders of real pairs that a run was evaluated on, in order."""
    return sorted(path.parent.name for path in evaluations_dir.glob(f"*/{METRICS}"))


def read_evaluation(run_dir: Path, name: str) -> dict:
    """The content of `metrics.json` of one evaluation of a run.

    Raises NoEvaluationError if there is none to the end, DamagedRecordError if it cannot be read.
    """
    folder = run_dir / "evaluation" / name
    content = read_json(folder / METRICS, dict, f"run `make evaluate RUN={run_dir.name}` again")
    if content is None:
        what = "unfinished" if (folder / SCORE_LOG).exists() else "not there yet"
        raise NoEvaluationError(
            f"the evaluation of {run_dir.name} on {name} is {what}; run `make evaluate "
            f'RUN={run_dir.name} KERNEL="{name}"` (REAL=.. for real pairs)'
        )
    return content


def read_evaluations(run_dir: Path) -> dict[str, dict]:
    """All complete evaluations of a run by name; damaged ones are named and left out."""
    found = {}
    for name in evaluated_in(run_dir / "evaluation"):
        try:
            content = read_evaluation(run_dir, name)
            with explain_damage(run_dir / "evaluation" / name / METRICS, EVALUATE_AGAIN):
                curves_of({name: content}, [])
                if "real" in content:
                    summary_of_real(content)
            found[name] = content
        except DamagedRecordError as error:
            print(f"left out: {error}")
    return found


def read_scores(folder: Path, num_images: int) -> list[dict]:
    """The scores of all images of a complete evaluation, each with its "id".

    Raises DamagedRecordError if there are not as many as `metrics.json` says.
    """
    log = score_log(folder)
    scores = [{"id": line.id} | line.scores for line in log.read()]
    if len(scores) != num_images or not scores:
        raise DamagedRecordError(
            f"{log.path} is damaged ({len(scores)} of {num_images} images); {EVALUATE_AGAIN}"
        )
    return scores


def summary_of_real(content: Mapping) -> dict:
    """The summary of an evaluation on real pairs, for one line."""
    return {
        **{name: content[name] for name in ("kernel", "step", "num_images")},
        "gain": float(content["gains"]["blurred"]["psnr_db"]),
        "share_better": float(content["real"]["psnr_db"]["share_better"]),
        "worst_gain": float(content["real"]["psnr_db"]["worst_gain"]),
        "sharp_kept_db": float(content["rows"]["sharp_kept"]["psnr_db"]),
        "ripples": float(content["rows"]["restored"]["ripples"]),
    }


def curves_of(evaluations: Mapping[str, Mapping], trained_kernels: Sequence[str]) -> dict:
    """Quality over the strength of the blur, one curve a kind of blur: `curve.json`.

    Evaluations at another step than the newest are left out, and so are sets without one radius:
    a curve compares like with like.

    Returns:
        {"step", "trained", "curves": [{"blur", "points": [{"kernel", "radius_px", "rows"}]}]},
        points by radius; "blur" has the settings that are not the default.
    """
    sets = [evaluations[name] for name in sorted(evaluations) if "real" not in evaluations[name]]
    newest = max((int(content["step"]) for content in sets), default=0)
    default = KernelRecord(LensBlur(), OutputSettings()).content.items()
    curves: dict[str, list[dict]] = {}
    for content in sets:
        blur = {**content["blur"]}
        radius_px = blur.pop("radius_px", None)
        blur = {name: value for name, value in blur.items() if (name, value) not in default}
        blur.pop("kernel", None)
        rows = {name: {**row} for name, row in content["rows"].items()}
        point = {"kernel": str(content["kernel"]), "radius_px": radius_px, "rows": rows}
        if content["step"] == newest and isinstance(radius_px, int | float):
            curves.setdefault(json.dumps(blur, sort_keys=True), []).append(point)
    return {
        "step": newest,
        "trained": list(trained_kernels),
        "curves": [
            {"blur": json.loads(blur), "points": sorted(found, key=lambda each: each["radius_px"])}
            for blur, found in sorted(curves.items())
        ],
    }
