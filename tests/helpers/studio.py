"""A studio that runs, asked over HTTP as its page asks it, or as others might."""

import http.client
import json
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from PIL import Image

from helpers.command_line import command, run
from helpers.pair_files import photo_u8, write_photos
from helpers.plain_run import write_plain_run


def write_places(folder: Path) -> Path:
    """Ten originals with one set, a run that restores, evaluated, and a photograph to restore."""
    photos = write_photos(folder / "photos", [f"{index:02d}.png" for index in range(10)])
    words = ["--num-images", 10, "--source", "folder", "--from", photos, "--size", 32]
    run("dataset", *words, "--data-dir", folder / "data")
    run_dir = write_plain_run(folder / "runs" / "run-01")
    log = "step,epoch,l1,validation_psnr_db\n1,1,0.5,21.25\n2,1,0.4,20.5\n"
    (run_dir / "log.csv").write_text(log)
    report = run_dir / "evaluation" / "disc-r30" / "report.html"
    report.parent.mkdir(parents=True)
    report.write_text("<!doctype html><h1>the report</h1>")
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    Image.fromarray(photo_u8(3, 200, 300)).save(folder / "IMG 1.jpg", exif=exif, quality=95)
    return folder


class Answered(NamedTuple):
    """What came back."""

    status: int
    headers: dict
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body)


class RunningStudio:
    """A `pipeline.py studio` in a process of its own; a context manager that ends it by Ctrl-C."""

    def __init__(self, folder: Path | None) -> None:
        """Starts it over the places in a folder; over those that are the default without one."""
        places = ["--data-dir", folder / "data", "--runs-dir", folder / "runs"] if folder else []
        words = [*places, "--out", folder / "restored"] if folder else []
        self.process = subprocess.Popen(
            command("studio", *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.address = self.process.stdout.readline().strip()
        url = urlsplit(self.address)
        self.port, self.key = url.port, url.path.strip("/")

    def __enter__(self) -> "RunningStudio":
        self.token = re.search(rb'name="token" content="([^"]+)"', self.ask("GET", "").body)[1]
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.rest, self.errors = self.process.communicate(timeout=30)

    def ask(
        self, method: str, path: str, body: bytes | None = None, *, key: str = "", **headers: str
    ) -> Answered:
        """Sends one request as it is given; `key` stands for that of the address."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, f"/{key or self.key}/{path}", body, named)
        answer = connection.getresponse()
        answered = Answered(answer.status, dict(answer.headers), answer.read())
        connection.close()
        return answered

    def post(self, path: str, content: object = None, **headers: str) -> Answered:
        """Posts JSON, or bytes as they are, as the page does but for the headers given."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        own = {"Origin": f"http://127.0.0.1:{self.port}", "X_Studio_Token": self.token}
        return self.ask("POST", path, body, **(own | headers))

    def upload(self, path: Path) -> dict:
        """Drops a photograph."""
        answered = self.post(f"photographs?name={quote(path.name)}", path.read_bytes())
        assert answered.status == 200, answered.body
        return answered.json

    def finished_job(self) -> dict:
        """What is told of the job that runs, once it has ended."""
        while (told := self.ask("GET", "job").json)["state"] == "running":
            time.sleep(0.1)
        return told
