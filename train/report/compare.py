"""Several runs side by side: one table, paired differences with intervals, and one page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from prepare.records.data_folder import DataFolder
from prepare.records.files import write_json, write_text
from prepare.records.settings import explain_damage
from train import TrainError
from train.evaluation.metrics import mean_with_ci95
from train.evaluation.results import (
    EVALUATE_AGAIN,
    METRICS,
    PICTURES,
    SHEETS,
    evaluated_in,
    read_evaluation,
    read_scores,
)
from train.report.page import METRIC_NAMES, MOST_SIDE_PX, SHEET_SIDE_PX, data_url, template

MOST_PICTURES = 4  # images shown, of every run: those on which the runs differ most


class NothingToCompareError(TrainError):
    """No two runs were evaluated on the same images."""


def compare(run_dirs: Sequence[Path], data: DataFolder, out_dir: Path) -> Path:
    """Compares runs on every set that two or more of them were evaluated on.

    Differences to the first run of a set are computed image by image. They are far more precise
    than two separate means, since most of the spread between images is common to all runs.

    Gives the path of the page; it and `comparison.json` lie in `out_dir`. Raises
    NothingToCompareError if a run has no evaluation, or there is no common set or image.
    """
    if len(set(run_dirs)) < 2:
        only = ", ".join(run_dir.name for run_dir in run_dirs) or "none"
        raise NothingToCompareError(
            f"two or more evaluated runs are needed, not {only}; score one more by "
            "`make evaluate RUN=..`"
        )
    found = {run_dir: evaluated_in(run_dir / "evaluation") for run_dir in run_dirs}
    for run_dir, names in found.items():
        if not names:
            raise NothingToCompareError(
                f"no complete evaluation of {run_dir.name}; run `make evaluate RUN={run_dir.name}`"
            )
    having = {
        name: [run_dir for run_dir in run_dirs if name in found[run_dir]]
        for name in sorted(set().union(*found.values()))
    }
    having = {name: runs for name, runs in having.items() if len(runs) > 1}
    if not having:
        each = "; ".join(f"{run_dir.name}: {', '.join(names)}" for run_dir, names in found.items())
        raise NothingToCompareError(
            f"no two runs were evaluated on the same set ({each}); run `make evaluate RADIUS=..` "
            "with the same radii for each"
        )
    comparisons = [compare_on(name, runs) for name, runs in having.items()]
    names = [run_dir.name for run_dir in run_dirs]
    write_json(out_dir / "comparison.json", {"runs": names, "comparisons": comparisons})
    shown = []
    for content, runs in zip(comparisons, having.values(), strict=True):
        ids = content["most_different"]
        shown.append((content, [pictures_of(image_id, content, runs, data) for image_id in ids]))
    page = template("compare.html.j2").render(runs=names, comparisons=shown)
    write_text(out_dir / "comparison.html", page)
    return out_dir / "comparison.html"


def compare_on(name: str, run_dirs: Sequence[Path]) -> dict:
    """Means of every run and paired differences from the first, over the images all have."""
    tables, rows, is_real = [], [], False
    for run_dir in run_dirs:
        metrics, folder = read_evaluation(run_dir, name), run_dir / "evaluation" / name
        with explain_damage(folder / METRICS, EVALUATE_AGAIN):
            is_real = "real" in metrics
            row = {"run": run_dir.name, "step": metrics["step"], "seed": metrics["seed"]}
            scores = read_scores(folder, metrics["num_images"])
        rows.append(row | {"scores": {}, "differences": {}})
        tables.append({score["id"]: score for score in scores})
    ids = [image_id for image_id in tables[0] if all(image_id in table for table in tables)]
    if not ids:
        raise NothingToCompareError(
            f"{name}: the runs share no test image; evaluate them again on the same data"
        )
    scored = set.intersection(*(set(table[image_id]) for table in tables for image_id in ids))
    shared = [metric for metric in METRIC_NAMES if f"restored_{metric}" in scored]
    for metric in shared:
        values = [[table[each][f"restored_{metric}"] for each in ids] for table in tables]
        for row, own in zip(rows, values, strict=True):
            row["scores"][metric] = mean_with_ci95(own, 0)
            row["differences"][metric] = mean_with_ci95(np.subtract(own, values[0]).tolist(), 0)
    psnr_db = np.array([[table[each]["restored_psnr_db"] for each in ids] for table in tables])
    order = np.argsort(-np.ptp(psnr_db, axis=0), kind="stable")
    return {
        "kernel": name,
        "num_images": len(ids),
        "num_left_out": max(map(len, tables)) - len(ids),
        "metrics": shared,
        "real": is_real,
        "rows": rows,
        "most_different": [ids[index] for index in order[:MOST_PICTURES]],
    }


def pictures_of(
    image_id: str, comparison: Mapping, run_dirs: Sequence[Path], data: DataFolder
) -> list[tuple[str, str]]:
    """Captions and URLs of one image: blurred, of every run, sharp; or a real pair's sheets."""
    name, side_px = comparison["kernel"], MOST_SIDE_PX
    folders = {run_dir.name: run_dir / "evaluation" / name for run_dir in run_dirs}
    if comparison["real"]:
        side_px = SHEET_SIDE_PX
        paths = {
            f"blurred, restored by {run}, sharp": folder / SHEETS / f"{image_id}.jpg"
            for run, folder in folders.items()
        }
    else:
        restored = {run: folder / PICTURES / f"{image_id}.png" for run, folder in folders.items()}
        paths = {"blurred": data.blurred_path(name, image_id), **restored}
        paths["sharp"] = data.sharp_path(image_id)
    return [(f"{image_id}: {shown}", data_url(path, side_px)) for shown, path in paths.items()]
