"""The page: what it asks for, and what it gets, at one address each."""

import json
import secrets
from dataclasses import dataclass, field, fields
from io import BufferedIOBase
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, quote

import msgspec

from prepare.photographs.reader import photographs_in
from prepare.records.blur import NOISES, SHAPES, LensBlur
from prepare.records.jsonl import read_log
from prepare.records.sets import RECIPES, set_names
from prepare.records.settings import DamagedRecordError
from train.report.charts import training_charts
from train.report.page import template
from train.run import Run, runs_in
from train.studio import Places, RefusedError, views
from train.studio.jobs import Jobs
from train.studio.photographs import MOST_BYTES, Photographs, jpeg_of, made_of

HERE = Path(__file__).parent
HTML, JPEG = "text/html; charset=utf-8", "image/jpeg"
SCRIPT, STYLE = "text/javascript; charset=utf-8", "text/css; charset=utf-8"
FILES = {  # of the page, by their address
    **{path.name: (path, SCRIPT) for path in HERE.glob("*.js")},
    "studio.css": (HERE / "studio.css", STYLE),
    "report.css": (HERE.parent / "report" / "report.css", STYLE),
}
REPORT = "report.html"
MOST_JSON_BYTES = 1 << 16
POLICY = "Content-Security-Policy"
PAGE_POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Pages of runs hold their own style and script, and are kept apart from this one.
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

Content = TypeVar("Content")


@dataclass(frozen=True)
class Answer:
    """What is sent back."""

    content: bytes
    kind: str
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200


def json_answer(content: dict[str, Any], status: int = 200) -> Answer:
    """An answer to the page's script."""
    return Answer(json.dumps(content).encode(), "application/json", status=status)


@dataclass(frozen=True)
class Request:
    """What is asked for, once it is known who asks."""

    parts: list[str]  # of the address behind the key
    query: str
    num_bytes: int  # of the body
    body: BufferedIOBase

    def read(self, kind: type[Content]) -> Content:
        """The JSON of its body; raises RefusedError if that is too long, or none of this kind."""
        if self.num_bytes > MOST_JSON_BYTES:
            raise RefusedError(413, f"more than {MOST_JSON_BYTES} bytes of settings")
        try:
            return msgspec.json.decode(self.body.read(self.num_bytes), type=kind)
        except (ValueError, RecursionError) as error:
            raise RefusedError(400, str(error).replace("$.", "")) from error


def listed_run(run: Run) -> dict[str, Any]:
    """What the page says of a run: how far it is, by its log, and which reports it has."""
    reports = sorted(path.parent.name for path in run.path.glob(f"evaluation/*/{REPORT}"))
    state = "evaluated" if reports else "can restore" if run.can_restore else "nothing saved yet"
    rows, charts, log_path = [], [], run.path / "log.csv"
    try:
        rows, charts = read_log(log_path, "bring it back, or remove it"), training_charts(log_path)
    except (DamagedRecordError, OSError) as error:
        state = str(error)
    scores = [float(row["validation_psnr_db"]) for row in rows if row.get("validation_psnr_db")]
    step = rows[-1]["step"] if rows else ""
    best_db = f"{max(scores):.2f}" if scores else ""
    shown = {"name": run.name, "state": state, "step": step, "best": best_db}
    return shown | {"reports": reports, "charts": charts}


class Studio:
    """All that the page works with.

    Every address begins with the key; every request that changes something has the token.
    """

    def __init__(self, places: Places, uploads_dir: Path) -> None:
        self.places = places
        self.key, self.token = secrets.token_urlsafe(12), secrets.token_urlsafe(24)
        self.photographs = Photographs(uploads_dir)
        self.jobs, self.restorer = Jobs(places.pipeline), views.Restorer(places, self.photographs)

    def end(self) -> None:
        """Ends what runs."""
        self.jobs.cancel()
        self.restorer.end()

    def get(self, request: Request) -> Answer:
        """Answers what changes nothing; raises RefusedError."""
        match request.parts:
            case [""]:
                return self.page()
            case ["job"]:
                return json_answer(self.jobs.as_json)
            case ["runs"]:
                return Answer(template("runs.html.j2", HERE).render(self.listed).encode(), HTML)
            case ["photographs", key, name]:
                return self.picture(key, name, request.query)
            case ["runs", name, "evaluation", kernel, "report.html"]:
                return self.report(name, kernel)
            case [name] if name in FILES:
                path, kind = FILES[name]
                return Answer(path.read_bytes(), kind)
        raise RefusedError(404, "there is nothing at this address")

    def post(self, request: Request) -> dict[str, Any]:
        """Does what changes something, and tells the page of it; raises RefusedError."""
        content: Any = {}
        match request.parts:
            case ["photographs"]:
                name = parse_qs(request.query).get("name", [""])[0]
                content = self.photographs.add_upload(name, request.body, request.num_bytes).as_json
            case ["blur", "preview"]:
                blurring = request.read(views.BlurRequest)
                photo = self.photographs.find(blurring.photo) if blurring.photo else None
                content = views.preview_blur(self.places, blurring, photo)
            case ["blur", "start"]:
                blurring = request.read(views.BlurRequest)
                content = self.jobs.start(*views.blur_job(self.places, blurring.settings))
            case ["photographs", key, "mask"]:
                photo = self.photographs.find(key)
                self.restorer.write_mask(photo, request.body, request.num_bytes)
            case ["photographs", key, "remove"]:
                self.photographs.remove(key)
            case ["restore", ("look" | "place" | "command" | "prepare" | "start") as what]:
                asked = request.read(views.RestoreRequest)
                content = getattr(self.restorer, what)(asked, self.photographs.find(asked.photo))
                content = self.jobs.start(*content) if isinstance(content, tuple) else content
            case ["train", ("command" | "start") as what]:
                job = views.train_job(self.places, request.read(views.TrainRequest))
                content = {"command": job[0].typed} if what == "command" else self.jobs.start(*job)
            case ["job", "cancel"]:
                request.read(dict)
                content = self.jobs.cancel()
            case _:
                raise RefusedError(404, "there is nothing at this address")
        return content

    def page(self) -> Answer:
        """The page itself."""
        data = self.places.data
        is_there = data.originals.is_dir()
        page = template("studio.html.j2", HERE).render(
            token=self.token,
            most_bytes=MOST_BYTES,
            settings={field.name: field for field in fields(LensBlur)},
            choices={"blades": SHAPES, "noise_kind": dict(zip(NOISES, NOISES, strict=True))},
            recipes=RECIPES,
            data_dir=data.path,
            num_originals=len(photographs_in(data.originals, recursive=True)) if is_there else 0,
            size=views.output_of(data).size,
            photographs=[
                each.as_json | {"result": str(self.restorer.results.get(each.key, ""))}
                for each in self.photographs.kept.values()
            ],
            restorers=list(self.restorer.runs.values()),
            out_dir=self.places.out_dir,
            sets=set_names(data.blurred),
            **self.listed,
        )
        return Answer(page.encode(), HTML)

    @property
    def listed(self) -> dict[str, Any]:
        """The runs as a template shows them."""
        runs_dir = self.places.runs[0]
        return {"runs": [listed_run(run) for run in runs_in(runs_dir)], "runs_dir": runs_dir}

    def picture(self, key: str, name: str, query: str) -> Answer:
        """A photograph, or what was made of it; raises RefusedError if nothing was."""
        photo = self.photographs.find(key)
        if name == "before":
            return Answer(jpeg_of(self.photographs.pixels(photo.path)), JPEG)
        if name != "result" or key not in self.restorer.results:
            raise RefusedError(404, f"this photograph has no {name} yet")
        asked = {each: values[-1] for each, values in parse_qs(query).items()}
        kind, quality = asked.get("format", "png"), asked.get("quality", "92")
        file, content = made_of(self.restorer.results[key], kind, quality)
        attachment = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(file)}"}
        return Answer(content, "application/octet-stream", attachment)

    def report(self, name: str, kernel: str) -> Answer:
        """A report of a run; raises RefusedError if there is none."""
        for run in runs_in(self.places.runs[0]):
            if run.name == name and kernel in listed_run(run)["reports"]:
                path = run.path / "evaluation" / kernel / REPORT
                return Answer(path.read_bytes(), HTML, {POLICY: REPORT_POLICY})
        raise RefusedError(404, f"{name} has no report of {kernel}")
