"""What the page asks for, and what it gets: one method for each address."""

import json
import secrets
from dataclasses import dataclass, field
from http import HTTPStatus
from io import BufferedIOBase
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

from train.report.template import template
from train.run import Run
from train.studio import Refused, blur, runs
from train.studio.checks import PAGE_POLICY, RUN_POLICY, length_of, read_json, share_in
from train.studio.jobs import Jobs
from train.studio.photographs import MOST_BYTES, Photographs, shown, shown_file
from train.studio.places import Places
from train.studio.restore import Restorer

HERE = Path(__file__).parent
HTML, JPEG, PNG, TEXT = "text/html; charset=utf-8", "image/jpeg", "image/png", "text/plain"
FILES = {  # of the page, by their address
    "studio.js": (HERE / "studio.js", "text/javascript; charset=utf-8"),
    "studio.css": (HERE / "studio.css", "text/css; charset=utf-8"),
    "report.js": (HERE.parent / "report" / "report.js", "text/javascript; charset=utf-8"),
    "report.css": (HERE.parent / "report" / "report.css", "text/css; charset=utf-8"),
}


@dataclass(frozen=True)
class Answer:
    """What is sent back."""

    content: bytes
    kind: str
    policy: str = PAGE_POLICY
    headers: dict[str, str] = field(default_factory=dict)
    status: HTTPStatus = HTTPStatus.OK


@dataclass(frozen=True)
class Request:
    """What was asked for, once it is known who asks."""

    parts: list[str]  # of the address behind the key
    query: str
    headers: Any
    body: BufferedIOBase


def as_json(content: dict, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    """An answer to the page's script."""
    return Answer(json.dumps(content).encode(), "application/json", status=status)


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
        self.jobs, self.restorer = Jobs(), Restorer(places)

    def get(self, request: Request) -> Answer:
        """Answers what changes nothing; raises Refused."""
        first, rest = request.parts[0], request.parts[1:]
        if first in FILES and not rest:
            path, kind = FILES[first]
            return Answer(path.read_bytes(), kind)
        if (first, rest) == ("", []):
            return self._page()
        if (first, rest) == ("job", []):
            return as_json(self.jobs.told)
        if first == "photographs" and len(rest) == 2:
            return self._picture(*rest)
        if first == "runs" and rest:
            return self._of_run(rest)
        raise Refused(HTTPStatus.NOT_FOUND, "there is nothing at this address")

    def post(self, request: Request) -> Answer:
        """Answers what changes something; raises Refused."""
        if request.parts == ["photographs"]:
            name = parse_qs(request.query).get("name", [""])[0]
            num_bytes = length_of(request.headers)
            return as_json(self.photographs.add_upload(name, request.body, num_bytes).told)
        steps = {
            ("originals",): self._take_original,
            ("blur", "preview"): self._preview_blur,
            ("blur", "start"): self._start_blur,
            ("restore", "preview"): self._preview_restored,
            ("restore", "start"): self._start_restoring,
            ("job", "cancel"): lambda _: self.jobs.cancel(),
        }
        step = steps.get(tuple(request.parts))
        if step is None:
            raise Refused(HTTPStatus.NOT_FOUND, "there is nothing at this address")
        return as_json(step(read_json(request.headers, request.body)))

    def _page(self) -> Answer:
        data, runs_dir = self.places.data, self.places.runs[0]
        listed = runs.list_runs(runs_dir)
        page = template("studio.html.j2", HERE).render(
            token=self.token,
            most_bytes=MOST_BYTES,
            controls=blur.controls(),
            data_dir=data.path,
            num_originals=blur.num_originals(data.manifest),
            originals=self.photographs.named_originals(),
            size=blur.written_as(data).size,
            restorers=[
                (name, said, Run(run_dir).pixel is not None)
                for name, (run_dir, said) in self.restorer.runs.items()
            ],
            out_dir=self.places.out_dir,
            runs=listed,
            charts=runs.charts_of(runs_dir, listed[0]) if listed else [],
            comparisons=runs.list_comparisons(runs_dir),
            runs_dir=runs_dir,
        )
        return Answer(page.encode(), HTML)

    def _picture(self, key: str, name: str) -> Answer:
        photo = self.photographs.find(key)
        if name == "before":
            return Answer(shown(self.photographs.pixels(photo.path)), JPEG)
        target = self.restorer.result_of(key)
        if name == "after":
            return Answer(shown_file(target.result), JPEG)
        if name == "map" and target.radius_map and target.radius_map.is_file():
            return Answer(target.radius_map.read_bytes(), PNG)
        if name == "result":
            called = f"attachment; filename*=UTF-8''{quote(target.result.name)}"
            headers = {"Content-Disposition": called}
            return Answer(target.result.read_bytes(), PNG, headers=headers)
        raise Refused(HTTPStatus.NOT_FOUND, f"a photograph has no {name}")

    def _of_run(self, parts: list[str]) -> Answer:
        runs_dir, (name, *rest) = self.places.runs[0], parts
        if rest == ["curves"]:
            return Answer(runs.curves_page(runs_dir, name).encode(), HTML)
        content = runs.file_of(runs_dir, name, rest)
        return Answer(content, TEXT if rest == [runs.LOG] else HTML, RUN_POLICY)

    def _take_original(self, values: dict) -> dict:
        return self.photographs.add_original(str(values.get("id"))).told

    def _preview_blur(self, values: dict) -> dict:
        photo = self.photographs.find(values["photo"]) if values.get("photo") else None
        return blur.preview(
            self.places, values.get("settings"), photo, values.get("large") is not False
        )

    def _start_blur(self, values: dict) -> dict:
        return self.jobs.start("blur", *blur.job(self.places, values.get("settings")))

    def _preview_restored(self, values: dict) -> dict:
        photo = self.photographs.find(values.get("photo"))
        place = share_in(values, "across"), share_in(values, "down")
        pixels = self.photographs.pixels(photo.path)
        detail = share_in(values, "detail", 1.0)
        return self.restorer.preview(pixels, values.get("run"), detail, place)

    def _start_restoring(self, values: dict) -> dict:
        photo = self.photographs.find_upload(values.get("photo"))
        shares = share_in(values, "strength"), share_in(values, "detail", 1.0)
        return self.jobs.start("restore", *self.restorer.job(photo, values.get("run"), *shares))
