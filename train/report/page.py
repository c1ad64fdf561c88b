"""The page a person looks at: one self-contained HTML file an evaluation."""

from collections.abc import Sequence
from pathlib import Path

import jinja2

from prepare.records.files import write_text
from prepare.records.jsonl import read_object, read_table
from prepare.records.sets import read_kernel
from prepare.records.settings import explain_damage
from train import TrainError
from train.evaluation.metrics import MOST_PSNR_DB
from train.report.charts import histogram, line_chart
from train.report.real_page import real_evaluations
from train.report.template import METRIC_NAMES, OLD_METRICS, data_url, template
from train.report.training import training_charts
from train.run import Run

CASES_A_GROUP = 3  # best, median and worst: 9 cases of 3 pictures, the page's only pictures
MOST_ROWS = 1000  # of the table; per_image.csv has them all


class NoEvaluationError(TrainError):
    """There is nothing to report on yet."""


def write_report(run_dir: Path, evaluation_dir: Path, sharp_dir: Path, blurred_dir: Path) -> Path:
    """Writes `report.html` from what an evaluation left, without evaluating again.

    Args:
        run_dir: holds the run's `settings.json` and `log.csv`, either of which may be missing.
        evaluation_dir: holds the evaluation; the page goes there.
        sharp_dir: the sharp pictures.
        blurred_dir: the blurred pictures of the evaluated kernel.

    Raises:
        NoEvaluationError: if the folder holds no evaluation, or an older version's.
        DamagedRecordError: if a record of the run or its evaluation cannot be read.
    """
    again = f"run `make evaluate RUN={run_dir.name}`"
    metrics_path = evaluation_dir / "metrics.json"
    metrics = read_object(metrics_path, f"{again} again")
    if not metrics:
        raise NoEvaluationError(f"no {metrics_path}; {again} first")
    if "gains" not in metrics:
        raise NoEvaluationError(f"{evaluation_dir} was written by an older version; {again} again")
    scores_path = evaluation_dir / "per_image.csv"
    with explain_damage(scores_path, f"{again} again"):
        scores = _read_scores(scores_path, f"{again} again")
        groups = [
            (name, [_case(score, evaluation_dir, sharp_dir, blurred_dir) for score in chosen])
            for name, chosen in _best_median_worst(scores)
        ]
        gains = [score["gain"] for score in scores]
        gains_chart = histogram("gain in PSNR, test images", "dB, restored less blurred", gains)
    training = training_charts(run_dir / "log.csv")
    curve_path = evaluation_dir.parent / "curve.json"
    with explain_damage(curve_path, f"{again} again"):
        radius = _radius_charts(read_object(curve_path, f"{again} again"), evaluation_dir.name)
    with explain_damage(metrics_path, f"{again} again", jinja2.TemplateError):
        page = template("report.html.j2").render(
            run=run_dir.name,
            metrics=metrics,
            settings=read_object(run_dir / "settings.json", "bring it back"),
            commands=_commands(run_dir, blurred_dir),
            groups=groups,
            scores=scores[:MOST_ROWS],
            num_scores=len(scores),
            gains=gains_chart,
            training=training,
            radius=radius,
            real=real_evaluations(run_dir / "evaluation"),
        )
    path = evaluation_dir / "report.html"
    write_text(path, page)
    return path


def _commands(run_dir: Path, blurred_dir: Path) -> list[str]:
    """What makes the sets, the run and the evaluation again."""
    run = Run(run_dir).record
    names = dict.fromkeys([*(run.kernels if run else ()), blurred_dir.name])
    kernels = [read_kernel(blurred_dir.parent / name) for name in names]
    commands = [kernel.make_command for kernel in kernels if kernel]
    if run:
        commands.append(run.make_command(run_dir, blurred_dir.parent.parent))
    return [*commands, f'make evaluate RUN={run_dir.name} KERNEL="{blurred_dir.name}"']


def _radius_charts(content: dict, kernel: str) -> list[dict]:
    for curve in content.get("curves", []):
        points = curve["points"]
        if len(points) > 1 and kernel in [point["kernel"] for point in points]:
            note = f"trained on {', '.join(content['trained'])}; equal pictures are left out"
            classical = [point["rows"].get("richardson_lucy", {}) for point in points]
            if numbers := [row["num_images"] for row in classical if "num_images" in row]:
                note += f"; Richardson-Lucy on {min(numbers)} images of each set"
            return [
                line_chart(
                    f"{METRIC_NAMES[metric][0]} over the strength of the blur",
                    "radius, pixels of a 1024-pixel-wide original",
                    {
                        name.replace("_", " "): [
                            (point["radius_px"], point["rows"][name][metric])
                            for point in points
                            if name in point["rows"]
                            and point["rows"][name]["psnr_db"] < MOST_PSNR_DB
                        ]
                        for name in ("restored", "blurred", "richardson_lucy")
                    },
                    note=note,
                )
                for metric in ("psnr_db", "haarpsi")
            ]
    return []


def _read_scores(path: Path, way_out: str) -> list[dict]:
    columns = [f"{row}_{metric}" for row in ("restored", "blurred") for metric in OLD_METRICS]
    scores = read_table(path, columns, way_out)
    return [
        score | {"gain": score["restored_psnr_db"] - score["blurred_psnr_db"]} for score in scores
    ]


def _best_median_worst(scores: Sequence[dict]) -> list[tuple[str, list[dict]]]:
    """Images of the largest, middle and smallest gain; none twice."""
    ranked = sorted(scores, key=lambda score: -score["gain"])
    num_cases = min(CASES_A_GROUP, max(1, len(ranked) // 3))
    middle = (len(ranked) - num_cases) // 2
    groups = [
        ("largest gain", ranked[:num_cases]),
        ("median gain", ranked[middle : middle + num_cases]),
        ("smallest gain", ranked[::-1][:num_cases]),
    ]
    return groups if len(ranked) >= 3 else [("all images", ranked)]


def _case(score: dict, evaluation_dir: Path, sharp_dir: Path, blurred_dir: Path) -> dict:
    name = score["id"]
    return score | {
        "blurred": data_url(blurred_dir / f"{name}.jpg"),
        "restored": data_url(evaluation_dir / "restored" / f"{name}.png"),
        "sharp": data_url(sharp_dir / f"{name}.jpg"),
    }
