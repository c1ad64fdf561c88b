"""The runs that the page lists: how far each is, its curves, its reports and its log."""

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from prepare.records.jsonl import read_log
from prepare.records.settings import DamagedRecordError
from train import TrainError
from train.evaluation.results import evaluated_in
from train.report.charts import training_charts
from train.report.template import template
from train.studio import Refused

HERE = Path(__file__).parent
REPORT, LOG, COMPARISON = "report.html", "log.csv", "comparison.html"
WAY_OUT = "bring it back, or remove it"


@dataclass(frozen=True)
class Run:
    """What the page says of a run."""

    name: str
    step: str  # of the last line of its log; empty if it has none
    psnr_db: str  # of the last validation
    reports: list[str]  # names of the sets that have a page
    has_log: bool
    problem: str = ""  # why its log cannot be read


def list_runs(runs_dir: Path) -> list[Run]:
    """The runs of a folder, the one that was written to last first."""
    folders = [folder for folder in _folders(runs_dir) if (folder / LOG).is_file()]
    folders.sort(key=lambda folder: (folder / LOG).stat().st_mtime, reverse=True)
    others = [folder for folder in _folders(runs_dir) if folder not in folders]
    others = [folder for folder in others if (folder / "settings.json").is_file()]
    return [_run(folder) for folder in [*folders, *others]]


def list_comparisons(runs_dir: Path) -> list[str]:
    """Names of the folders that `make compare` wrote."""
    return [folder.name for folder in _folders(runs_dir) if (folder / COMPARISON).is_file()]


def _folders(runs_dir: Path) -> Iterator[Path]:
    for path in sorted(runs_dir.iterdir()) if runs_dir.is_dir() else ():
        if path.is_dir() and not path.name.startswith("."):
            yield path


def _run(folder: Path) -> Run:
    reports = _reports(folder)
    has_log = (folder / LOG).is_file()
    try:
        rows = read_log(folder / LOG, WAY_OUT)
    except (DamagedRecordError, TrainError, OSError) as error:
        return Run(folder.name, "", "", reports, has_log, str(error))
    step = rows[-1].get("step", "") if rows else ""
    validated = [row["validation_psnr_db"] for row in rows if row.get("validation_psnr_db")]
    return Run(
        folder.name, step, f"{float(validated[-1]):.2f}" if validated else "", reports, has_log
    )


def _reports(folder: Path) -> list[str]:
    """Names of the sets that a run has a page of."""
    evaluations = folder / "evaluation"
    return [name for name in evaluated_in(evaluations) if (evaluations / name / REPORT).is_file()]


def curves_page(runs_dir: Path, name: str) -> str:
    """A page of a run's curves.

    Raises:
        Refused: if there is no such run, or its log cannot be read.
    """
    run = _run(folder_of(runs_dir, name))
    if run.problem:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, run.problem)
    return template("curves.html.j2", HERE).render(run=run, charts=charts_of(runs_dir, run))


def charts_of(runs_dir: Path, run: Run) -> list[dict]:
    """Charts of a run, see `training_charts`; none where its log cannot be read."""
    return [] if run.problem else training_charts(runs_dir / run.name / LOG)


def file_of(runs_dir: Path, name: str, parts: list[str]) -> bytes:
    """A file of a run, or of a comparison: its log, or a page that was written there.

    Raises:
        Refused: if it is none of these, or leads out of the run.
    """
    folder = folder_of(runs_dir, name)
    is_report = len(parts) == 3 and (parts[0], parts[2]) == ("evaluation", REPORT)
    if parts in ([LOG], [COMPARISON]) or (is_report and parts[1] in _reports(folder)):
        path = folder.joinpath(*parts)
        if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            return path.read_bytes()
    raise Refused(HTTPStatus.NOT_FOUND, f"{name} has no {'/'.join(parts)}")


def folder_of(runs_dir: Path, name: str) -> Path:
    """The folder of this very name among the runs; raises Refused if there is none."""
    for folder in _folders(runs_dir):
        if folder.name == name:
            return folder
    raise Refused(HTTPStatus.NOT_FOUND, f"no run is called {name}")
