"""The page of an evaluation on real photographs, and what the other pages say of it."""

from pathlib import Path
from urllib.parse import quote

import jinja2

from prepare.records.files import write_text
from prepare.records.jsonl import read_object, read_table
from prepare.records.settings import DamagedRecordError, explain_damage
from train.evaluation.folder import SHEETS, evaluated_in
from train.report.charts import histogram
from train.report.template import data_url, template

MOST_SHEETS = 60  # on the page, half of the smallest gains and half of the largest
SHEET_SIDE_PX = 1536  # of three pictures
COLUMNS = (
    "blurred_psnr_db", "restored_psnr_db", "blurred_ssim", "restored_ssim", "restored_ripples",
    "sharp_kept_psnr_db", "sharp_kept_ripples", "moved_px", "light_ratio", "share_scored", "found",
)  # fmt: skip


def is_real(evaluation_dir: Path) -> bool:
    """Whether an evaluation is of real photographs."""
    return "real" in read_object(evaluation_dir / "metrics.json", "run `make evaluate` again")


def write_real_report(run_dir: Path, evaluation_dir: Path) -> Path:
    """Writes `report.html` from what an evaluation on real pairs left.

    Args:
        run_dir: holds the run's `settings.json`, which may be missing.
        evaluation_dir: holds the evaluation; the page goes there.

    Raises:
        DamagedRecordError: if a record of the run or its evaluation cannot be read.
    """
    metrics_path, scores_path = evaluation_dir / "metrics.json", evaluation_dir / "per_image.csv"
    again = f"run `make evaluate RUN={run_dir.name} REAL=..` again"
    metrics = read_object(metrics_path, again)
    with explain_damage(scores_path, again):
        scores = [
            row | {"gain": row["restored_psnr_db"] - row["blurred_psnr_db"]}
            for row in read_table(scores_path, COLUMNS, again)
        ]
        scores.sort(key=lambda score: score["gain"])
        half = MOST_SHEETS // 2
        shown = scores if len(scores) <= MOST_SHEETS else scores[:half] + scores[-half:]
        sheets = [
            (score, data_url(evaluation_dir / SHEETS / f"{score['id']}.jpg", SHEET_SIDE_PX))
            for score in shown
        ]
        gains = [score["gain"] for score in scores]
        chart = histogram("gain in PSNR, real pairs", "dB, restored less blurred", gains)
    with explain_damage(metrics_path, again, jinja2.TemplateError):
        page = template("real.html.j2").render(
            run=run_dir.name,
            metrics=metrics,
            settings=read_object(run_dir / "settings.json", "bring it back"),
            scores=scores,
            sheets=sheets,
            gains=chart,
        )
    path = evaluation_dir / "report.html"
    write_text(path, page)
    return path


def real_evaluations(evaluations_dir: Path) -> list[dict]:
    """What a run's other pages tell of its evaluations on real pairs, with links to their pages.

    A damaged one is named and left out.
    """
    found = []
    for name in evaluated_in(evaluations_dir):
        path, again = evaluations_dir / name / "metrics.json", "run `make evaluate` again"
        try:
            metrics = read_object(path, again)
            with explain_damage(path, again):
                if "real" in metrics:
                    found.append(_told(metrics) | {"link": f"../{quote(name)}/report.html"})
        except DamagedRecordError as error:
            print(f"left out of the page: {error}")
    return found


def _told(metrics: dict) -> dict:
    """What one line tells of an evaluation on real pairs."""
    numbers = {
        "gain": metrics["gains"]["blurred"]["psnr_db"],
        "share_better": metrics["real"]["psnr_db"]["share_better"],
        "worst_gain": metrics["real"]["psnr_db"]["worst_gain"],
        "sharp_kept_db": metrics["rows"]["sharp_kept"]["psnr_db"],
        "ripples": metrics["rows"]["restored"]["ripples"],
    }
    told = {name: metrics[name] for name in ("kernel", "step", "num_images")}
    return told | {name: float(number) for name, number in numbers.items()}
