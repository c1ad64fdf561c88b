"""The studio over HTTP and in Chromium: what it makes, what it refuses, and how it ends."""

import base64
import contextlib
import http.client
import io
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
from helpers.browser import ARROW_RIGHT, Browser, browser_is_installed
from helpers.command_line import command, error_of, run
from helpers.pair_files import photo_u8, write_photos
from helpers.plain_run import write_plain_run
from PIL import Image

import pipeline
from prepare.records.files import only_writer
from train.studio.jobs import FLAGS, Command, Job

HUGE_GIF = b"GIF89a" + b"\xff" * 4 + bytes(3) + b",\0\0\0\0" + b"\xff" * 4 + b"\0\x02\x02L\x01\0;"
BLUR = {"radius_px": 60, "blades": 5, "noise": 2, "linear": True}


class RunningStudio:
    """A `pipeline.py studio` in a process of its own; a context manager that ends it by Ctrl-C."""

    def __init__(self, folder: Path) -> None:
        places = ["--data-dir", folder / "data", "--runs-dir", folder / "runs"]
        words = [*places, "--out", folder / "restored"]
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

    def ask(self, method, path, body=None, *, key="", **headers) -> SimpleNamespace:
        """Sends one request as it is given; `key` stands for that of the address."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, f"/{key or self.key}/{path}", body, named)
        got = connection.getresponse()
        body = got.read()
        content = json.loads(body) if got.headers["Content-Type"] == "application/json" else None
        connection.close()
        return SimpleNamespace(status=got.status, headers=got.headers, body=body, json=content)

    def post(self, path: str, content: object = None, **headers: str) -> SimpleNamespace:
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten originals with one set, a run that restores, evaluated, and a photograph to restore."""
    folder = tmp_path_factory.mktemp("studio")
    photos = write_photos(folder / "photos", [f"{index:02d}.png" for index in range(10)])
    words = ["--num-images", 10, "--source", "folder", "--from", photos, "--size", 32]
    run("dataset", *words, "--data-dir", folder / "data")
    run_dir = write_plain_run(folder / "runs" / "run-01")
    log = "step,epoch,l1,validation_psnr_db\n1,1,0.5,21.25\n2,1,0.4,20.5\n"
    (run_dir / "log.csv").write_text(log)
    report = run_dir / "evaluation" / "disc-r30" / "report.html"
    report.parent.mkdir(parents=True)
    report.write_text("<!doctype html><h1>the report</h1>")
    Image.fromarray(photo_u8(3, 200, 300)).save(folder / "IMG 1.jpg", quality=95)
    return folder


@pytest.fixture(scope="module")
def studio(folder: Path):
    with RunningStudio(folder) as studio:
        yield studio
    assert studio.errors == ""  # no traceback, whatever was asked here


def picture_in(url: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(url.partition("base64,")[2])))


# What it makes.


def test_the_preview_is_the_picture_that_the_set_gets(studio: RunningStudio, folder: Path) -> None:
    photo = studio.upload(folder / "photos" / "04.png")["photo"]
    asked = {"settings": BLUR, "photo": photo, "large": False}
    told = studio.post("blur/preview", asked).json
    words = "RADIUS=60 BLADES=5 NOISE=2 LINEAR=1 SIZE=32"
    assert told["command"] == f"make blur {words} DATA={folder}/data"
    assert picture_in(told["aperture"]).mode == "LA"
    large = picture_in(studio.post("blur/preview", asked | {"large": True}).json["picture"])
    assert large.size == (64, 64)  # no larger than the original is
    assert studio.post("blur/start", {"settings": BLUR}).status == 200
    done = studio.finished_job()
    assert [done[name] for name in ("state", "percent", "at")] == ["done", 100, "pairs 10/10"]
    assert done["command"] == told["command"]
    written = Path(done["result"]["folder"], "04.jpg")
    assert written.parent.name == told["name"] == "pentagon-r60-noise2-linear"
    assert base64.b64decode(told["picture"].partition(",")[2]) == written.read_bytes()


def test_what_is_shown_and_written_is_what_deblur_makes(
    studio: RunningStudio, folder: Path
) -> None:
    photo = studio.upload(folder / "IMG 1.jpg")["photo"]
    asked = {"photo": photo, "run": "run-01", "limits": [2, 4]}
    while "percent" in (told := studio.post("restore/look", asked).json):
        """The blur of the whole is estimated first."""
    assert "blur radius 3.0 pixels" in told["seen"]
    assert (told["highest"], told["subject"], picture_in(told["map"]).size) == (4, None, (75, 50))
    told = studio.post("restore/place", asked | {"top": 128, "left": 128, "side": 128}).json
    before, after = (np.asarray(picture_in(told[name]), int) for name in ("before", "after"))
    assert np.abs(before + after - 255).mean() < 2
    mask = io.BytesIO()
    Image.fromarray(np.uint8([[255, 0]])).save(mask, "PNG")  # of any size
    assert studio.post(f"photographs/{photo}/mask", mask.getvalue()).status == 200
    asked |= {"strength": 0.5, "mask": True}
    typed = shlex.split(studio.post("restore/command", asked).json["command"])[3:]
    named = dict(word.split("=", 1) for word in typed if not word.startswith("OUT="))
    flags = [f"--{FLAGS.get(name, name.lower())}={value}" for name, value in named.items()]
    studio.post("restore/start", asked)
    told = studio.finished_job()
    assert (told["state"], told["at"].split(" ")[0]) == ("done", "IMG"), told
    answered = studio.ask("GET", f"photographs/{photo}/result")
    assert "IMG%201-strength-0.5.png" in answered.headers["Content-Disposition"]
    run("deblur", folder / "IMG 1.jpg", *flags, "--out", folder / "again")
    assert answered.body == (folder / "again" / "IMG 1-strength-0.5.png").read_bytes()
    result = np.asarray(Image.open(io.BytesIO(answered.body)), int)
    for kind, most in (("jpeg", 2), ("tiff", 0)):
        answered = studio.ask("GET", f"photographs/{photo}/result?format={kind}&quality=95")
        other = np.asarray(Image.open(io.BytesIO(answered.body), formats=[kind]), int)
        assert np.abs(other - result).mean() <= most
    (new := folder / "runs" / "new").mkdir()
    (new / "ckpt-4.index").write_bytes(b"weights")
    assert studio.post("restore/look", asked | {"run": "new"}).json == {"is_new": True}
    shutil.rmtree(new)


def test_photographs_of_one_name_get_results_of_their_own(
    studio: RunningStudio, tmp_path: Path
) -> None:
    files = []
    for seed in (1, 2):
        Image.fromarray(photo_u8(seed)).save(tmp_path / "same.png")
        photo = studio.upload(tmp_path / "same.png")["photo"]
        studio.post("restore/start", {"photo": photo, "run": "run-01"})
        files.append(studio.finished_job()["result"]["file"])
        assert np.array_equal(255 - photo_u8(seed), np.asarray(Image.open(files[-1])))
    assert files[0] != files[1]


def test_runs_are_listed_with_their_reports(studio: RunningStudio) -> None:
    page = studio.ask("GET", "").body.decode()
    at = "runs/run-01/evaluation/disc-r30/report.html"
    assert f'href="{at}"' in page
    assert "21.25" in page  # the best, not the last
    assert page.index('value="pretrained"') < page.index('value="run-01"')
    assert b"the report" in studio.ask("GET", at).body


def test_a_command_is_shown_as_it_is_run_and_can_be_pasted() -> None:
    name, out = "it's $5 (1).jpg", "/tmp/my results"
    variables = {"OUT": out, "RUN": "r", "RUNS": "tf_checkpoints", "STRENGTH": "0.5"}
    command = Command("deblur", variables, Path("/uploads", name))
    typed = ["make", "deblur", f"IN={name}", f"OUT={out}", "RUN=r", "STRENGTH=0.5"]
    assert shlex.split(command.typed) == typed
    args = pipeline.build_parser().parse_args(command.words(Path("pipeline.py"))[2:])
    assert (args.run_stage, args.photographs) == (pipeline.deblur, [Path("/uploads", name)])
    assert (args.out, args.run, args.strength) == (Path(out), "r", 0.5)


# What it refuses.


def test_only_this_machine_and_this_page_are_answered(studio: RunningStudio) -> None:
    own, other = f"127.0.0.1:{studio.port}", f"evil.example:{studio.port}"
    wrong = {
        "Host": ("evil.example", other, "127.0.0.1.evil.example", ""),
        "Origin": ("http://evil.example", "null", f"https://{own}", "http://127.0.0.1:1"),
        "Sec_Fetch_Site": ("cross-site", "same-site"),
        "X_Studio_Token": ("", "é", studio.key),
    }
    for name, value in ((each, value) for each, values in wrong.items() for value in values):
        answered = studio.post("blur/preview", {"settings": {}}, **{name: value})
        assert answered.status == 403, (name, value)
        assert "Access-Control-Allow-Origin" not in answered.headers
    assert studio.ask("POST", "blur/preview", b"{}", X_Studio_Token=studio.token).status == 403
    framed = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Site": "cross-site"}
    assert studio.ask("GET", "", **framed, Sec_Fetch_Dest="iframe").status == 403
    link = framed | {"Sec_Fetch_Dest": "document"}
    assert studio.ask("GET", "", **link).status == 200  # a click in a terminal that is a page
    assert studio.post("blur/preview", {"settings": {}}, **link).status == 403
    assert studio.ask("GET", "", Host="evil.example").status == 403
    assert studio.ask("GET", "", Host=f"localhost:{studio.port}").status == 200
    for key in ("x", "%C3%A9", studio.key[:-1], studio.key + "x"):
        assert studio.ask("GET", "job", key=key).status == 403
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", studio.port), 5)


def test_pages_are_kept_from_the_outside_and_from_each_other(studio: RunningStudio) -> None:
    own = studio.ask("GET", "").headers
    other = studio.ask("GET", "runs/run-01/evaluation/disc-r30/report.html").headers
    for headers in (own, other):
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in own["Content-Security-Policy"]
    assert "sandbox allow-scripts;" in other["Content-Security-Policy"]


def test_no_address_leads_out_of_the_runs(studio: RunningStudio, folder: Path) -> None:
    for name in ("secret", ".hidden/evaluation/x"):
        (folder / "runs" / name).mkdir(parents=True)
        (folder / "runs" / name / "report.html").write_text("secret")
    for path in (
        "runs/.hidden/evaluation/x/report.html",
        "runs/run-01/evaluation/..%2f..%2f..%2fsecret/report.html",
        "runs/run-01/evaluation/../report.html",
        "runs/%2e%2e/evaluation/disc-r30/report.html",
        "runs/run-01%00/evaluation/disc-r30/report.html",
        "runs/run-01/log.csv",
        "studio.js/../server.py",
        "server.py",
        "photographs/../../secret",
        "photographs/x/result",
    ):
        assert studio.ask("GET", path).status == 404, path


def test_what_is_no_photograph_or_too_large_is_not_kept(
    studio: RunningStudio, folder: Path
) -> None:
    for content, reason in (
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no image"),
        (HUGE_GIF, "more than 80,000,000 pixels"),
        (b"\xff\xd8\xff damaged", "damaged"),
    ):
        answered = studio.post("photographs?name=..%2F..%2Fa%00b.jpg", content)
        assert answered.status == 422
        assert answered.json["error"].startswith("a_b.jpg cannot be read: ")
        assert reason in answered.json["error"]
    for length, status in (("268435457", 413), ("9" * 5000, 413), ("-1", 411), ("1_0", 411)):
        refused = studio.post("photographs?name=a.jpg", b"", Content_Length=length)
        assert refused.status == status, length
    assert studio.post("job/cancel", b"", Content_Length="65537").status == 413
    chunked = studio.post("photographs?name=a.jpg", b"", Transfer_Encoding="chunked")
    assert chunked.status == 411
    first = studio.upload(folder / "IMG 1.jpg")["photo"]
    assert studio.post(f"photographs/{first}/remove", {}).status == 200
    gone = studio.ask("GET", f"photographs/{first}/before")
    assert gone.status == 404
    assert "drop it again" in gone.json["error"]


def test_settings_that_make_no_sense_are_told(studio: RunningStudio) -> None:
    for settings, reason in (
        ({"radius_px": 513}, "radius must be a number between 0 and 512"),
        ({"noise_kind": "pink"}, "noise kind must be gaussian or uniform or photon"),
        ({"radius_px": float("nan")}, "malformed"),
        ({"radius_px": 10**400}, "out of range"),
        ({"radius_px": [10, 20]}, "got `array`"),
        ({"recipe": "tame"}, "recipe is no setting"),
        ({"radius_px": "40-10"}, "a range as in 10-40"),
    ):
        for path in ("blur/preview", "blur/start"):
            answered = studio.post(path, {"settings": settings})
            assert answered.status in (400, 422)
            assert reason in answered.json["error"]


def test_other_requests_that_make_no_sense(studio: RunningStudio, folder: Path) -> None:
    photo = studio.upload(folder / "IMG 1.jpg")["photo"]
    for path, changes, status in (
        ("restore/start", {"strength": 1.5}, 400),
        ("restore/look", {"detail": "crisp"}, 400),
        ("restore/look", {"limits": [9, 4]}, 400),
        ("restore/start", {"mask": True}, 404),
        ("restore/start", {"run": "../run-01"}, 404),
        ("restore/start", {"photo": "x"}, 404),
        ("restore/place", {"top": -1}, 400),
        ("restore/place", {"side": 10**9}, 400),
    ):
        asked = {"photo": photo, "run": "run-01"} | changes
        assert studio.post(path, asked).status == status, (path, changes)
    assert studio.post("nowhere", {}).status == 404
    for body in (b"", b"[]", b"{", b"[" * 60_000):
        assert studio.post("job/cancel", body).status == 400
    for line in (b"GET http://[x/ HTTP/1.1", b"\xff", b"OPTIONS / HTTP/1.1"):
        with socket.create_connection(("127.0.0.1", studio.port), 30) as connection:
            connection.sendall(line + f"\r\nHost: 127.0.0.1:{studio.port}\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
        assert len(answer.rpartition(b"\r\n\r\n")[2].splitlines()) == 1, answer


# How it begins and ends.


def test_it_says_two_lines_ends_in_peace_and_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with RunningStudio(folder) as studio:
        photo = studio.upload(folder / "IMG 1.jpg")["photo"]
        studio.post("blur/preview", {"settings": BLUR, "photo": photo})
        assert studio.post("restore/look", {"photo": photo, "run": "run-01"}).status == 200
        assert len(list(tmp_path.rglob("*.jpg"))) == 1
        maps = Path(f"/proc/{studio.process.pid}/maps")
        if maps.exists():
            assert "tensorflow" not in maps.read_text()
    assert (studio.process.returncode, studio.errors) == (0, "")
    assert studio.rest == "the studio has ended\n"
    assert list(tmp_path.iterdir()) == []


STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print('{"name": "pairs", "done": 1, "total": 3}')
time.sleep(60)
"""


def test_a_job_and_its_children_are_cancelled_within_a_second(tmp_path: Path) -> None:
    (tmp_path / "pipeline.py").write_text(STUBBORN)
    job = Job(Command("blur", {}), tmp_path / "pipeline.py", dict)
    while job.as_json["at"] != "pairs 1/3":
        time.sleep(0.05)
    assert (job.as_json["state"], job.as_json["percent"]) == ("running", 33)
    began_s = time.monotonic()
    job.cancel()
    assert time.monotonic() - began_s < 1
    assert job.state == "cancelled"  # which it is once no child holds its output any more


def test_one_job_runs_at_a_time_and_ends_with_the_studio(
    studio: RunningStudio, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    asked = {"settings": {"radius_px": 101}}
    with RunningStudio(folder) as other:
        assert other.port != studio.port
        with only_writer(folder / "data", "the test"):
            other.post("blur/start", asked)
            failed = other.finished_job()
            assert (failed["state"], "in use by the test" in failed["error"]) == ("failed", True)
        assert other.post("blur/start", asked).json["state"] == "running"
        again = other.post("blur/start", asked)
        assert (again.status, "still runs" in again.json["error"]) == (409, True)
        os.kill(other.process.pid, signal.SIGHUP)  # as a terminal that is closed
        other.process.wait(30)
    assert not list(tmp_path.glob("studio-*"))
    with only_writer(folder / "data", "the test"):
        """Nobody else writes."""


def test_ports_and_runs_that_will_not_do_are_told(studio: RunningStudio, folder: Path) -> None:
    port = studio.port
    assert f"port {port} of 127.0.0.1 is taken" in error_of("studio", "--port", port)
    assert "--port" in error_of("studio", "--port", "65536", code=2)
    assert "--run" in error_of("studio", "--run", "../x", "--runs-dir", folder, code=2)


# The page in Chromium, on a desk and on a phone, by mouse and keys.

in_chromium = pytest.mark.skipif(not browser_is_installed(), reason="needs chromium-driver")
TEXT = "return document.querySelector('{}').textContent"
LOADED = "return document.querySelector('{}').naturalWidth"
SET = """
const each = document.getElementById('{}');
each.value = '{}';
each.dispatchEvent(new Event("input", {{bubbles: true}}));
"""
NAMELESS = """
const named = (each) => each.labels?.length || each.ariaLabel || each.textContent.trim();
return [...document.querySelectorAll("input, select, button, a, progress")]
  .filter((each) => !named(each)).map((each) => each.outerHTML)
"""


@contextlib.contextmanager
def browser_of(studio: RunningStudio, *window: object):
    """The page in a window; at its end each panel fits, names its controls, and has no problem."""
    with Browser(*window) as browser:
        browser.open(studio.address)
        yield browser
        panels = set()
        for _ in range(3):  # around
            browser.press("[role=tab][aria-selected=true]", ARROW_RIGHT)
            panels.add(browser.run("return document.querySelector('main:not([hidden])').id"))
            assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
        assert panels == {"blur", "restore", "runs"}
        assert browser.run(NAMELESS) == []
        assert browser.run(TEXT.format("#problem")) == ""
        assert browser.complaints() == []
        browser.open(browser.run("return document.querySelector('#runs a').href"))
        assert browser.run(TEXT.format("h1")) == "the report"


@in_chromium
def test_a_set_is_tried_and_made_in_the_page(studio: RunningStudio, folder: Path) -> None:
    with browser_of(studio, 1280, 900) as browser:
        browser.press("[role=tab][aria-selected=true]", ARROW_RIGHT)
        browser.press("#files", str(folder / "photos" / "05.png"))
        browser.wait_for(LOADED.format("#blurred"))
        browser.press("input[data-of=radius_px]", ARROW_RIGHT)
        assert browser.run("return document.getElementById('radius_px').value") == "30.5"
        browser.run(SET.format("radius_px", "600"))
        reason = "radius must be a number between 0 and 512"
        browser.wait_for(f"{TEXT.format('#problem')}.startsWith('{reason}')")
        browser.press("#blades", "6")
        browser.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        browser.click("#linear")
        browser.run(SET.format("radius_px", 40))
        told = f"make blur RADIUS=40 BLADES=6 LINEAR=1 SIZE=32 DATA={folder}/data"
        browser.wait_for(f"{TEXT.format('#blur-command')} === '{told}'")
        browser.click("#blur-start")
        made = folder / "data" / "blurred_resized" / "hexagon-r40-linear"
        browser.wait_for(f"{TEXT.format('#blur-job .state')} === 'done: {made}'")
        assert len(list(made.glob("*.jpg"))) == 10
        assert browser.complaints() != []  # of the setting that was refused


@in_chromium
def test_a_photograph_is_restored_in_the_page(studio: RunningStudio, folder: Path) -> None:
    with browser_of(studio, 390, 844, True) as browser:
        browser.press("#files", str(folder / "IMG 1.jpg"))
        browser.run(SET.format("run", "run-01"))
        browser.wait_for(f"{TEXT.format('#seen')}.includes('blur radius 3.0 pixels')")
        browser.wait_for(f"{TEXT.format('#rest-at')} === 'all of it is restored here'")
        at = "return document.querySelector('#stage').style.getPropertyValue('--at')"
        browser.press("#divider", ARROW_RIGHT)
        browser.wait_for(f"{at} !== '50%'")
        browser.run(SET.format("strength", "0.5"))
        browser.wait_for(f"{TEXT.format('#restore-command')}.includes('STRENGTH=0.5')")
        browser.click("#restore-start")
        browser.wait_for("return !document.querySelector('#download').hidden")
        browser.run("document.querySelector('#view').scrollIntoView({block: 'center'})")
        browser.drag("#view", 60, "touch")  # from the divider, which lies in the middle
        assert float(browser.run(at)[:-1]) > 60
