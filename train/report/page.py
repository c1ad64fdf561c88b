"""The page of an evaluation, of a set or of real pairs: one self-contained HTML file.

All pages share what is here: names of methods and scores, templates, pictures as URLs.
"""

import base64
import io
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
from PIL import Image

from prepare.records import PROGRAM
from prepare.records.data_folder import DataFolder
from prepare.records.files import open_regular, write_text
from prepare.records.jsonl import read_json
from prepare.records.sets import read_kernel
from prepare.records.settings import explain_damage
from train.evaluation import MOST_PSNR_DB
from train.evaluation.results import (
    EVALUATE_AGAIN,
    METRICS,
    PAGE,
    PICTURES,
    SHEETS,
    curves_of,
    read_scores,
    summary_of_real,
)
from train.report.charts import histogram, line_chart, training_charts
from train.run import Run, RunRecord, folder_words

CASES_A_GROUP = 3  # best, median and worst: 9 cases of 3 pictures, the page's only pictures
MOST_ROWS = 1000  # of the table; per_image.csv has them all
MOST_SHEETS = 60  # on the page, half of the smallest gains and half of the largest
MOST_SIDE_PX, SHEET_SIDE_PX = 512, 1536  # of a picture, and of three; larger ones are reduced
METHOD_NAMES = {
    "blurred": "blurred, the input",
    "restored": "restored by this run",
    "richardson_lucy": "Richardson-Lucy, given the true PSF",
    "wiener": "Wiener, given the true PSF",
    "unsharp_mask": "unsharp mask",
}
METRIC_NAMES = {
    "psnr_db": ("PSNR, dB", 2),
    "ssim": ("SSIM", 3),
    "haarpsi": ("HaarPSI", 3),
    "detail_returned": ("recovered detail", 3),
    "detail_invented": ("hallucinated detail", 3),
    "ripples": ("ringing", 2),
}
RIPPLES_NOTE = (
    "Ringing: ripples and halos where the sharp picture is smooth, beyond those in the input "
    "and in the sharp picture; root mean square in levels, 0 for the input and the truth."
)


def write_page(
    run_dir: Path, name: str, evaluations: Mapping[str, Mapping], data: DataFolder
) -> Path:
    """Writes `report.html` of one of a run's evaluations, see `read_evaluations`.

    The run's `settings.json` or `log.csv` may be missing. Raises DamagedRecordError if a record of
    the run or its evaluation cannot be read, OSError if a picture cannot be read.
    """
    folder, metrics, record = run_dir / "evaluation" / name, evaluations[name], Run(run_dir).record
    real = {each: content for each, content in evaluations.items() if "real" in content}
    kernels = record.kernels if record else ()
    with explain_damage(folder / METRICS, EVALUATE_AGAIN, jinja2.TemplateError):
        scores = [
            score | {"gain": score["restored_psnr_db"] - score["blurred_psnr_db"]}
            for score in read_scores(folder, metrics["num_images"])
        ]
        if name in real:
            scores.sort(key=lambda score: score["gain"])
        gains = [score["gain"] for score in scores]
        page = template("page.html.j2").render(
            run=run_dir.name,
            metrics=metrics,
            settings=read_json(run_dir / "settings.json", dict, "bring it back") or {},
            commands=commands_of(run_dir, name, metrics, record, data),
            pictures=sheets_of(scores, folder) if name in real else groups_of(scores, folder, data),
            scores=scores[:MOST_ROWS],
            num_scores=len(scores),
            gains=histogram("gain in PSNR", "dB, restored minus blurred", gains),
            training=training_charts(run_dir / "log.csv"),
            radius=radius_charts(name, curves_of(evaluations, kernels)),
            real={each: summary_of_real(content) for each, content in real.items()},
        )
    write_text(folder / PAGE, page)
    return folder / PAGE


def commands_of(
    run_dir: Path, name: str, metrics: Mapping, record: RunRecord | None, data: DataFolder
) -> list[str]:
    """The commands that make sets, run, evaluation and page again, with the typed folders."""
    run, scored = f"RUN={shlex.quote(run_dir.name)}", f'KERNEL="{name}"'
    set_names = [*(record.kernels if record else ()), *([] if "real" in metrics else [name])]
    commands = [
        " ".join([kernel.make_command, *folder_words(data_dir=data.path)])
        for each in dict.fromkeys(set_names)
        if (kernel := read_kernel(data.blurred / each))
    ]
    if record:
        commands.append(record.make_command(run_dir, data.path))
    pairs = f"REAL={shlex.quote(metrics['folder'])}" if "real" in metrics else scored
    folders = folder_words(run_dir.parent, data.path)
    commands.append(" ".join([f"{PROGRAM} evaluate", run, pairs, *folders]))
    commands.append(" ".join([f"{PROGRAM} report", run, scored, *folders, "     # only this page"]))
    return commands


def radius_charts(name: str, content: Mapping) -> list[dict]:
    """Scores over the strength of the blur, of the curve that a set is on."""
    curves = [curve["points"] for curve in content["curves"]]
    having = [each for each in curves if name in [point["kernel"] for point in each]]
    if not having or len(having[0]) < 2:
        return []
    points = having[0]
    note = f"trained on {', '.join(content['trained'])}; equal pictures are left out"
    classical = [point["rows"].get("richardson_lucy", {}) for point in points]
    if numbers := [row["num_images"] for row in classical if "num_images" in row]:
        note += f"; Richardson-Lucy on {min(numbers)} images of each set"
    charts = []
    for metric in ("psnr_db", "haarpsi"):
        lines = {
            row.replace("_", " "): [
                (point["radius_px"], point["rows"][row][metric])
                for point in points
                if row in point["rows"] and point["rows"][row]["psnr_db"] < MOST_PSNR_DB
            ]
            for row in ("restored", "blurred", "richardson_lucy")
        }
        title = f"{METRIC_NAMES[metric][0]} over the blur radius"
        x_label = "radius, pixels of a 1024-pixel-wide original"
        charts.append(line_chart(title, x_label, lines, note))
    return charts


def groups_of(
    scores: Sequence[dict], folder: Path, data: DataFolder
) -> list[tuple[str, list[dict]]]:
    """Images of the largest, middle and smallest gain, none twice, with their pictures."""
    ranked = sorted(scores, key=lambda score: -score["gain"])
    num_cases = min(CASES_A_GROUP, len(ranked) // 3)
    middle = (len(ranked) - num_cases) // 2
    groups = {
        "largest gain": ranked[:num_cases],
        "median gain": ranked[middle : middle + num_cases],
        "smallest gain": ranked[::-1][:num_cases],
    }
    if not num_cases:
        groups = {"all images": ranked}
    for score in [score for chosen in groups.values() for score in chosen]:
        score["blurred"] = data_url(data.blurred_path(folder.name, score["id"]))
        score["restored"] = data_url(folder / PICTURES / f"{score['id']}.png")
        score["sharp"] = data_url(data.sharp_path(score["id"]))
    return list(groups.items())


def sheets_of(scores: Sequence[dict], folder: Path) -> list[tuple[dict, str]]:
    """Scores of real pairs, those of the smallest and of the largest gain, with their sheets."""
    half = MOST_SHEETS // 2
    shown = scores if len(scores) <= MOST_SHEETS else [*scores[:half], *scores[-half:]]
    return [
        (score, data_url(folder / SHEETS / f"{score['id']}.jpg", SHEET_SIDE_PX)) for score in shown
    ]


def template(name: str, *folders: Path) -> jinja2.Template:
    """A template of these folders, or else of this one; its values are escaped."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals |= {
        "method_names": METHOD_NAMES,
        "metric_names": METRIC_NAMES,
        "ripples_note": RIPPLES_NOTE,
    }
    return templates.get_template(name)


def data_url(path: Path, most_side_px: int = MOST_SIDE_PX) -> str:
    """A picture as a URL that holds it: as stored, or reduced where larger than so many pixels.

    Raises DamagedRecordError if it is damaged, or OSError if it cannot be read; both name it.
    """
    with open_regular(path) as file:
        content = file.read()
    kind = {".jpg": "jpeg", ".png": "png"}[path.suffix]
    hint = "remove it, and run the command that made it again"
    with (
        explain_damage(path, hint, OSError, SyntaxError, Image.DecompressionBombError),
        Image.open(io.BytesIO(content)) as image,
    ):
        if max(image.size) > most_side_px:
            image.thumbnail((most_side_px, most_side_px))
            reduced = io.BytesIO()
            image.convert("RGB").save(reduced, "JPEG", quality=92, subsampling=0)
            content, kind = reduced.getvalue(), "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
