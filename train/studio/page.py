"""The page: what it asks for, and what it gets, at one address each."""

import json
import secrets
from dataclasses import dataclass, field, fields
from io import BufferedIOBase
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, quote

import msgspec

from prepare.records.blur import NOISES, SHAPES, LensBlur
from prepare.records.jsonl import read_log
from prepare.records.settings import DamagedRecordError
from train.report.page import template
from train.run import Run, runs_in
from train.studio import Places, RefusedError, views
from train.studio.jobs import Jobs
from train.studio.photographs import MOST_BYTES, MOST_NAMED, Photographs, jpeg_of, read_pixels

HERE = Path(__file__).parent
HTML, JPEG, PNG = "text/html; charset=utf-8", "image/jpeg", "image/png"
SCRIPT, STYLE = "text/javascript; charset=utf-8", "text/css; charset=utf-8"
FILES = {  # of the page, by their address
    "studio.js": (HERE / "studio.js", SCRIPT),
    "studio.css": (HERE / "studio.css", STYLE),
    "report.js": (HERE.parent / "report" / "report.js", SCRIPT),
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
    rows = []
    try:
        rows = read_log(run.path / "log.csv", "bring it back, or remove it")
    except (DamagedRecordError, OSError) as error:
        state = str(error)
    scores = [float(row["validation_psnr_db"]) for row in rows if row.get("validation_psnr_db")]
    step = rows[-1]["step"] if rows else ""
    best_db = f"{max(scores):.2f}" if scores else ""
    return {"name": run.name, "state": state, "step": step, "best": best_db, "reports": reports}


class Studio:
    """All that the page works with.

    Attributes:
        key: first part of every address.
        token: sent with every request that changes something.
    """

    def __init__(self, places: Places, uploads_dir: Path) -> None:
        self.places = places
        self.key, self.token = secrets.token_urlsafe(12), secrets.token_urlsafe(24)
        self.photographs = Photographs(uploads_dir, places.data.originals)
        self.jobs, self.restorer = Jobs(places.pipeline), views.Restorer(places)

    def get(self, request: Request) -> Answer:
        """Answers what changes nothing; raises RefusedError."""
        match request.parts:
            case [""]:
                return self.page()
            case ["job"]:
                return json_answer(self.jobs.as_json)
            case ["photographs", key, name]:
                return self.picture(key, name)
            case ["runs", name, "evaluation", kernel, "report.html"]:
                return self.report(name, kernel)
            case [name] if name in FILES:
                path, kind = FILES[name]
                return Answer(path.read_bytes(), kind)
        raise RefusedError(404, "there is nothing at this address")

    def post(self, request: Request) -> dict[str, Any]:
        """Does what changes something, and tells the page of it; raises RefusedError."""
        match request.parts:
            case ["photographs"]:
                name = parse_qs(request.query).get("name", [""])[0]
                kept = self.photographs.add_upload(name, request.body, request.num_bytes)
                content = kept.as_json
            case ["originals"]:
                image_id = request.read(dict[str, str]).get("id", "")
                content = self.photographs.add_original(image_id).as_json
            case ["blur", "preview"]:
                blurring = request.read(views.BlurRequest)
                photo = self.photographs.find(blurring.photo) if blurring.photo else None
                content = views.preview_blur(self.places, blurring, photo)
            case ["blur", "start"]:
                content = self.jobs.start(
                    *views.blur_job(self.places, request.read(views.BlurRequest).settings)
                )
            case ["restore", "preview"]:
                restoring = request.read(views.RestoreRequest)
                pixels = self.photographs.pixels(self.photographs.find(restoring.photo).path)
                content = self.restorer.preview(restoring, pixels)
            case ["restore", "start"]:
                restoring = request.read(views.RestoreRequest)
                photo = self.photographs.find(restoring.photo)
                content = self.jobs.start(*self.restorer.job(restoring, photo))
            case ["job", "cancel"]:
                request.read(dict)
                content = self.jobs.cancel()
            case _:
                raise RefusedError(404, "there is nothing at this address")
        return content

    def page(self) -> Answer:
        """The page itself."""
        data, runs_dir = self.places.data, self.places.runs[0]
        originals = [path.stem for path in self.photographs.originals()]
        page = template("studio.html.j2", HERE).render(
            token=self.token,
            most_bytes=MOST_BYTES,
            settings={field.name: field for field in fields(LensBlur)},
            sliders=views.SLIDERS,
            shapes=SHAPES,
            noise_kinds=NOISES,
            data_dir=data.path,
            num_originals=len(originals),
            originals=originals[:MOST_NAMED],
            size=views.output_of(data).size,
            restorers=list(self.restorer.runs.values()),
            out_dir=self.places.out_dir,
            runs=[listed_run(run) for run in runs_in(runs_dir)],
            runs_dir=runs_dir,
        )
        return Answer(page.encode(), HTML)

    def picture(self, key: str, name: str) -> Answer:
        """A photograph, or what was made of it; raises RefusedError if nothing was."""
        photo = self.photographs.find(key)
        if name == "before":
            return Answer(jpeg_of(self.photographs.pixels(photo.path)), JPEG)
        target = self.restorer.targets.get(key)
        if target is None or not target.result.is_file():
            raise RefusedError(404, "this photograph has not been restored yet")
        if name == "after":
            return Answer(jpeg_of(read_pixels(target.result)), JPEG)
        if name == "map" and target.radius_map and target.radius_map.is_file():
            return Answer(target.radius_map.read_bytes(), PNG)
        if name == "result":
            attachment = f"attachment; filename*=UTF-8''{quote(target.result.name)}"
            headers = {"Content-Disposition": attachment}
            return Answer(target.result.read_bytes(), PNG, headers)
        raise RefusedError(404, f"a photograph has no {name}")

    def report(self, name: str, kernel: str) -> Answer:
        """A report of a run; raises RefusedError if there is none."""
        for run in runs_in(self.places.runs[0]):
            if run.name == name and kernel in listed_run(run)["reports"]:
                path = run.path / "evaluation" / kernel / REPORT
                return Answer(path.read_bytes(), HTML, {POLICY: REPORT_POLICY})
        raise RefusedError(404, f"{name} has no report of {kernel}")
