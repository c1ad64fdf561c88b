"""The page a person looks at: one self-contained HTML file an evaluation."""

import base64
import csv
import json
from pathlib import Path

import jinja2

from train import TrainError
from train.files import write_text

MOST_IMAGES = 60  # shown on the page, so that it stays small enough to open


class NoEvaluationError(TrainError):
    """There is nothing to report on yet."""


def write_report(run: str, evaluation_dir: Path, sharp_dir: Path, blurred_dir: Path) -> Path:
    """Writes `report.html` from what an evaluation left, without evaluating again.

    Raises:
        NoEvaluationError: if the folder holds no evaluation.
    """
    metrics_path = evaluation_dir / "metrics.json"
    if not metrics_path.exists():
        raise NoEvaluationError(f"no {metrics_path}; run `make evaluate RUN={run}` first")
    with (evaluation_dir / "per_image.csv").open(newline="") as file:
        scores = list(csv.DictReader(file))[:MOST_IMAGES]
    images = [
        {
            "id": score["id"],
            "blurred": _data_url(blurred_dir / f"{score['id']}.jpg"),
            "restored": _data_url(evaluation_dir / "restored" / f"{score['id']}.png"),
            "sharp": _data_url(sharp_dir / f"{score['id']}.jpg"),
            "blurred_psnr_db": float(score["blurred_psnr_db"]),
            "restored_psnr_db": float(score["restored_psnr_db"]),
        }
        for score in scores
    ]
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    page = templates.get_template("report.html.j2").render(
        run=run, metrics=json.loads(metrics_path.read_text()), images=images
    )
    path = evaluation_dir / "report.html"
    write_text(path, page)
    return path


def _data_url(path: Path) -> str:
    kind = {".jpg": "jpeg", ".png": "png"}[path.suffix]
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
