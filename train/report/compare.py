"""Several runs side by side: one table, paired differences with intervals, and one page."""

from collections.abc import Sequence
from pathlib import Path

from prepare.records.files import write_json, write_text
from prepare.records.jsonl import read_object, read_table
from prepare.records.settings import explain_damage
from train import TrainError
from train.evaluation.bootstrap import mean_with_ci95
from train.evaluation.folder import PICTURES, SHEETS, evaluated_in
from train.report.real_page import SHEET_SIDE_PX, is_real
from train.report.template import METRIC_NAMES, data_url, template

MOST_PICTURES = 4  # images shown, of every run: those on which the runs differ most


class NothingToCompareError(TrainError):
    """Runs have no evaluation in common."""


def compare(run_dirs: Sequence[Path], sharp_dir: Path, blurred_root: Path, out_dir: Path) -> Path:
    """Compares runs on every kernel and image they were all evaluated on.

    Differences are taken image by image against the first run, which says far more than two
    separate means do: most of the spread between images is common to all runs.

    Args:
        run_dirs: two or more runs; the first is what the others are compared with.
        sharp_dir: the sharp pictures.
        blurred_root: holds a folder of blurred pictures for each kernel.
        out_dir: gets `comparison.json` and `comparison.html`.

    Returns:
        path of the page.

    Raises:
        NothingToCompareError: if a run has no evaluation, or there is no common kernel or image.
    """
    if len(set(run_dirs)) < 2:
        raise NothingToCompareError('--with needs two or more runs, as in WITH="run-01 run-02"')
    kernels = _common_kernels(run_dirs)
    comparisons = [_compare_kernel(run_dirs, kernel) for kernel in kernels]
    content = {"runs": [run_dir.name for run_dir in run_dirs], "comparisons": comparisons}
    write_json(out_dir / "comparison.json", content)
    pictures = [
        [
            _sheets(run_dirs, kernel["kernel"], image_id)
            if kernel["real"]
            else _pictures(run_dirs, kernel["kernel"], image_id, sharp_dir, blurred_root)
            for image_id in kernel["most_different"]
        ]
        for kernel in comparisons
    ]
    page = template("compare.html.j2").render(
        runs=content["runs"], comparisons=list(zip(comparisons, pictures, strict=True))
    )
    path = out_dir / "comparison.html"
    write_text(path, page)
    return path


def _common_kernels(run_dirs: Sequence[Path]) -> list[str]:
    found = {}
    for run_dir in run_dirs:
        found[run_dir.name] = set(evaluated_in(run_dir / "evaluation"))
        if not found[run_dir.name]:
            raise NothingToCompareError(
                f"no evaluation of {run_dir.name}; run `make evaluate RUN={run_dir.name}` first"
            )
    common = sorted(set.intersection(*found.values()))
    if not common:
        each = "; ".join(f"{run}: {', '.join(sorted(names))}" for run, names in found.items())
        raise NothingToCompareError(
            f"the runs were evaluated on no common kernel ({each}); run `make evaluate RADIUS=..` "
            "with the same radii for each"
        )
    return common


def _compare_kernel(run_dirs: Sequence[Path], kernel: str) -> dict:
    """Means of every run and paired differences from the first, over the images all have."""
    evaluations = [
        (run_dir / "evaluation" / kernel, f"run `make evaluate RUN={run_dir.name}` again")
        for run_dir in run_dirs
    ]
    tables = [_read_scores(folder / "per_image.csv", again) for folder, again in evaluations]
    ids = [image_id for image_id in tables[0] if all(image_id in table for table in tables)]
    if not ids:
        raise NothingToCompareError(
            f"{kernel}: the runs share no test image; evaluate them again on the same data"
        )
    # Older versions had fewer scores, and so have real pairs.
    names = [name for name in METRIC_NAMES if all(name in table[ids[0]] for table in tables)]
    rows = []
    for run_dir, (folder, again), table in zip(run_dirs, evaluations, tables, strict=True):
        metrics_path = folder / "metrics.json"
        metrics = read_object(metrics_path, again)
        with explain_damage(metrics_path, again):
            row = {"run": run_dir.name, "step": metrics["step"], "seed": metrics["seed"]}
        row |= {"scores": {}, "differences": {}}
        for name in names:
            values = [table[image_id][name] for image_id in ids]
            first = [tables[0][image_id][name] for image_id in ids]
            gaps = [value - other for value, other in zip(values, first, strict=True)]
            row["scores"][name] = mean_with_ci95(values, 0)
            row["differences"][name] = mean_with_ci95(gaps, 0)
        rows.append(row)
    spread = {
        image_id: _spread([table[image_id]["psnr_db"] for table in tables]) for image_id in ids
    }
    most_different = sorted(ids, key=lambda image_id: -spread[image_id])[:MOST_PICTURES]
    return {
        "kernel": kernel,
        "num_images": len(ids),
        "num_left_out": max(map(len, tables)) - len(ids),
        "metrics": names,
        "real": is_real(evaluations[0][0]),
        "rows": rows,
        "most_different": most_different,
    }


def _spread(values: Sequence[float]) -> float:
    return max(values) - min(values)


def _read_scores(path: Path, way_out: str) -> dict[str, dict[str, float]]:
    """The restored pictures' scores by image and metric."""
    rows = read_table(path, ["restored_psnr_db"], way_out)
    names = [name for name in METRIC_NAMES if f"restored_{name}" in rows[0]]
    with explain_damage(path, way_out):
        return {row["id"]: {name: row[f"restored_{name}"] for name in names} for row in rows}


def _pictures(
    run_dirs: Sequence[Path], kernel: str, image_id: str, sharp_dir: Path, blurred_root: Path
) -> list[tuple[str, str]]:
    """Caption and data URL of one image: blurred, of every run, sharp."""
    restored = [
        (run_dir.name, run_dir / "evaluation" / kernel / PICTURES / f"{image_id}.png")
        for run_dir in run_dirs
    ]
    paths = [
        ("blurred", blurred_root / kernel / f"{image_id}.jpg"),
        *restored,
        ("sharp", sharp_dir / f"{image_id}.jpg"),
    ]
    return [(f"{image_id}, {name}", data_url(path)) for name, path in paths]


def _sheets(run_dirs: Sequence[Path], kernel: str, image_id: str) -> list[tuple[str, str]]:
    """The same of a real pair, whose sheets hold all three."""
    return [
        (
            f"{image_id}: blurred, restored by {run_dir.name}, sharp",
            data_url(run_dir / "evaluation" / kernel / SHEETS / f"{image_id}.jpg", SHEET_SIDE_PX),
        )
        for run_dir in run_dirs
    ]
