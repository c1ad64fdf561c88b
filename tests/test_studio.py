"""The studio over HTTP: what it makes, what it refuses, and how it ends."""

import base64
import io
import os
import shutil
import signal
import socket
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from helpers.command_line import error_of, run
from helpers.pair_files import photo_u8
from helpers.photographs import chunk
from helpers.ports import free_ports
from helpers.studio import RunningStudio, write_places
from PIL import Image

from prepare.records.files import only_writer
from train.export import write_onnx_file

BLUR = {"radius_px": 60, "blades": 5, "noise": 2, "linear": True}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_places(tmp_path_factory.mktemp("studio"))


@pytest.fixture(scope="module")
def studio(folder: Path):
    with RunningStudio(folder) as studio:
        yield studio


def picture_in(url: str) -> bytes:
    return base64.b64decode(url.partition("base64,")[2])


# What it makes.


def test_the_preview_is_the_picture_that_the_set_gets(studio: RunningStudio, folder: Path) -> None:
    photo = studio.post("originals", {"id": "04"}).json
    asked = {"settings": BLUR, "photo": photo["photo"], "large": False}
    told = studio.post("blur/preview", asked).json
    words = "RADIUS=60 BLADES=5 NOISE=2 LINEAR=1 SIZE=32"
    assert told["command"] == f"make blur {words} DATA={folder}/data"
    assert told["name"] == "pentagon-r60-noise2-linear"
    assert Image.open(io.BytesIO(picture_in(told["aperture"]))).mode == "LA"
    assert studio.post("blur/start", {"settings": BLUR}).status == 200
    done = studio.finished_job()
    assert done["state"] == "done", done
    assert done["command"] == told["command"]
    written = folder / "data" / "blurred_resized" / told["name"] / "04.jpg"
    assert picture_in(told["picture"]) == written.read_bytes()


def test_a_large_preview_is_larger(studio: RunningStudio, folder: Path) -> None:
    photo = studio.upload(folder / "IMG 1.jpg")
    asked = {"settings": {"radius_px": 9}, "photo": photo["photo"]}
    picture = picture_in(studio.post("blur/preview", asked).json["picture"])
    assert Image.open(io.BytesIO(picture)).size == (200, 200)  # the middle, no larger than it is


def test_a_result_is_what_deblur_writes(studio: RunningStudio, folder: Path) -> None:
    photo = studio.upload(folder / "IMG 1.jpg")["photo"]
    asked = {"photo": photo, "run": "run-01", "strength": 0.5}
    assert studio.ask("GET", f"photographs/{photo}/result").status == 404
    assert studio.post("restore/start", asked).status == 200
    told = studio.finished_job()
    assert told["state"] == "done", told
    assert told["result"]["map"] is True
    answered = studio.ask("GET", f"photographs/{photo}/result")
    assert "IMG%201.png" in answered.headers["Content-Disposition"]
    assert answered.body == (folder / "restored" / "IMG 1.png").read_bytes()
    where = ["--runs-dir", folder / "runs", "--out", folder / "again", "--strength", 0.5]
    where += ["--run", "run-01"]
    run("deblur", folder / "IMG 1.jpg", *where)
    assert answered.body == (folder / "again" / "IMG 1.png").read_bytes()
    with Image.open(io.BytesIO(answered.body)) as result:
        assert result.getexif()[0x010F] == "Maker"
        assert "srgb" in result.info
    for name, kind in (("after", "JPEG"), ("map", "PNG"), ("before", "JPEG")):
        picture = Image.open(io.BytesIO(studio.ask("GET", f"photographs/{photo}/{name}").body))
        assert picture.format == kind


def test_detail_is_that_of_deblur_and_for_runs_with_two_networks(
    studio: RunningStudio, folder: Path
) -> None:
    photo = studio.upload(folder / "IMG 1.jpg")["photo"]
    asked = {"photo": photo, "run": "run-01", "across": 0, "down": 0, "detail": 0.5}
    refused = studio.post("restore/preview", asked)
    assert refused.status == 409
    assert b"one network, not two" in refused.body
    assert b"data-both" not in studio.ask("GET", "").body
    export = folder / "runs" / "run-01" / "export"
    other = export / "generator-detail50.onnx"
    write_onnx_file(other, (export / "generator.onnx").read_bytes())
    assert studio.post("restore/preview", asked).json["ready"]
    started = studio.post("restore/start", asked | {"strength": 1})
    assert "DETAIL=0.5 MAP=1" in started.json["command"]
    assert studio.finished_job()["result"]["detail"] == 0.5
    other.unlink()


def test_photographs_of_one_name_get_results_of_their_own(
    studio: RunningStudio, folder: Path, tmp_path: Path
) -> None:
    files = []
    for seed in (1, 2):
        Image.fromarray(photo_u8(seed)).save(tmp_path / "same.png")
        photo = studio.upload(tmp_path / "same.png")["photo"]
        for _ in range(2):  # again is the same
            studio.post("restore/start", {"photo": photo, "run": "run-01", "strength": 1})
            files.append(studio.finished_job()["result"]["file"])
    assert [Path(file).name for file in files] == ["same.png"] * 2 + ["same-2.png"] * 2
    assert np.array_equal(255 - photo_u8(2), np.asarray(Image.open(files[-1])))


def test_a_crop_is_restored_at_once(studio: RunningStudio, folder: Path) -> None:
    photo = studio.upload(folder / "IMG 1.jpg")
    asked = {"photo": photo["photo"], "run": "run-01", "across": 1.0, "down": 0.5}
    told = studio.post("restore/preview", asked).json
    assert told["box"] == pytest.approx([0, 1, 44 / 300, 1])  # 256 pixels wide, and no higher
    assert "blur of 3.0 to 3.0 pixels" in told["seen"]
    before, after = (
        np.asarray(Image.open(io.BytesIO(picture_in(told[name]))), int)
        for name in ("before", "after")
    )
    assert np.abs(before + after - 255).mean() < 2


def test_a_run_that_is_not_exported_yet_is_told(studio: RunningStudio, folder: Path) -> None:
    (folder / "runs" / "new").mkdir()
    (folder / "runs" / "new" / "ckpt-4.index").write_bytes(b"weights")
    photo = studio.upload(folder / "IMG 1.jpg")["photo"]
    asked = {"photo": photo, "run": "new", "across": 0, "down": 0}
    assert studio.post("restore/preview", asked).json == {"ready": False}
    shutil.rmtree(folder / "runs" / "new")


def test_runs_are_listed_with_their_curves_and_log(studio: RunningStudio, folder: Path) -> None:
    page = studio.ask("GET", "").body.decode()
    assert "21.25" in page
    assert b"<polyline" in studio.ask("GET", "runs/run-01/curves").body
    log = studio.ask("GET", "runs/run-01/log.csv")
    assert log.body == (folder / "runs" / "run-01" / "log.csv").read_bytes()
    assert log.headers["Content-Type"] == "text/plain"


# What it refuses.


def test_only_this_machine_and_this_page_are_answered(studio: RunningStudio) -> None:
    own = f"127.0.0.1:{studio.port}"
    asked = {"settings": {}}
    for headers in (
        {"Host": "evil.example"},
        {"Host": f"evil.example:{studio.port}"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"https://{own}"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"X_Studio_Token": ""},
        {"X_Studio_Token": "é"},
        {"X_Studio_Token": studio.key},
    ):
        answered = studio.post("blur/preview", asked, **headers)
        assert answered.status == 403, headers
        assert "Access-Control-Allow-Origin" not in answered.headers
    assert studio.ask("POST", "blur/preview", b"{}", X_Studio_Token=studio.token).status == 403
    framed = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"}
    for headers in ({"Host": "evil.example"}, framed | {"Sec_Fetch_Site": "cross-site"}):
        assert studio.ask("GET", "", **headers).status == 403
    link = framed | {"Sec_Fetch_Dest": "document", "Sec_Fetch_Site": "cross-site"}
    assert studio.ask("GET", "", **link).status == 200  # a click in a terminal that is a page
    assert studio.post("blur/preview", asked, **link).status == 403
    assert studio.ask("GET", "", Host=f"localhost:{studio.port}").status == 200
    assert studio.ask("OPTIONS", "job").status == 501


def test_nothing_is_answered_without_the_key(studio: RunningStudio) -> None:
    for key in ("x", "%C3%A9", studio.key[:-1], studio.key + "x"):
        assert studio.ask("GET", "job", key=key).status == 403
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", studio.port), 5)


def test_pages_are_kept_from_the_outside_and_from_each_other(
    studio: RunningStudio, folder: Path
) -> None:
    report = folder / "runs" / "run-01" / "evaluation" / "disc-r30"
    report.mkdir(parents=True, exist_ok=True)
    (report / "metrics.json").write_text("{}")
    (report / "report.html").write_text("<script>hostile()</script>")
    own = studio.ask("GET", "").headers
    other = studio.ask("GET", "runs/run-01/evaluation/disc-r30/report.html").headers
    for headers in (own, other):
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in own["Content-Security-Policy"]
    assert "sandbox allow-scripts;" in other["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        "runs/../secret/log.csv",
        "runs/%2e%2e/log.csv",
        "runs/..%2f..%2fsecret/log.csv",
        "runs/run-01/../../secret",
        "runs/run-01/evaluation/..%2f..%2f/report.html",
        "runs/run-01/evaluation/../report.html",
        "runs/run-01/settings.json",
        "runs/run-01/%00/log.csv",
        "runs/.hidden/log.csv",
        "runs//log.csv",
        "runs/linked/log.csv",
        "studio.js/../server.py",
        "server.py",
        "photographs/../../secret",
        "photographs/x/result",
    ],
)
def test_no_address_leads_out_of_the_runs(studio: RunningStudio, folder: Path, path: str) -> None:
    (folder / "secret").mkdir(exist_ok=True)
    (folder / "secret" / "log.csv").write_text("secret")
    (folder / "runs" / ".hidden").mkdir(exist_ok=True)
    (folder / "runs" / ".hidden" / "log.csv").write_text("secret")
    (folder / "runs" / "linked").mkdir(exist_ok=True)
    link = folder / "runs" / "linked" / "log.csv"
    if not link.is_symlink():
        link.symlink_to(folder / "secret" / "log.csv")
    answered = studio.ask("GET", path)
    assert answered.status == 404
    assert answered.body != b"secret"


def huge_png() -> bytes:
    """A PNG that claims ten thousand million pixels."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no image"),
        (b"<html><script>hostile()</script>", "no image"),
        (huge_png(), "more than 80,000,000 pixels"),
        (b"\xff\xd8\xff damaged", "damaged"),
    ],
)
def test_what_is_no_photograph_is_told_and_not_kept(
    studio: RunningStudio, content: bytes, reason: str
) -> None:
    answered = studio.post("photographs?name=..%2F..%2Fa%00b.jpg", content)
    assert answered.status == 422
    assert reason in answered.json["error"]
    assert answered.json["error"].startswith("a_b.jpg cannot be read: ")


def test_uploads_are_bounded_before_they_are_read(studio: RunningStudio) -> None:
    for length, status in (("268435457", 413), ("-1", 411), ("", 411), ("1_0", 411)):
        answered = studio.post("photographs?name=a.jpg", b"", Content_Length=length)
        assert answered.status == status, length
    assert studio.post("job/cancel", b"", Content_Length="65537").status == 413
    chunked = studio.post("photographs?name=a.jpg", b"", Transfer_Encoding="chunked")
    assert chunked.status == 411


@pytest.mark.parametrize(
    ("settings", "status", "reason"),
    [
        ({"radius_px": 513}, 422, "radius must be a number between 0 and 512"),
        ({"radius_px": float("nan")}, 422, "radius must be a number"),
        ({"blades": 2}, 422, "blades must be 0 (disc) or 3 to 9"),
        ({"noise_kind": "pink"}, 422, "noise kind must be gaussian or uniform or photon"),
        ({"radius_px": [10, 20]}, 400, "no setting"),
        ({"radius_px": "10"}, 400, "no setting"),
        ({"radius_px": None}, 400, "no setting"),
        ({"recipe": "wild"}, 400, "no setting"),
        ({"depth": True}, 400, "no setting"),
        (["radius_px"], 400, "no settings"),
        (None, 400, "no settings"),
    ],
)
def test_settings_that_make_no_sense_are_told(
    studio: RunningStudio, settings: object, status: int, reason: str
) -> None:
    for path in ("blur/preview", "blur/start"):
        answered = studio.post(path, {"settings": settings})
        assert answered.status == status
        assert reason in answered.json["error"]


def test_other_requests_that_make_no_sense(studio: RunningStudio, folder: Path) -> None:
    photo = studio.upload(folder / "IMG 1.jpg")["photo"]
    whole = {"photo": photo, "run": "run-01", "strength": 1, "across": 0, "down": 0}
    for path, changes, status in (
        ("restore/start", {"strength": 1.5}, 422),
        ("restore/start", {"strength": None}, 422),
        ("restore/start", {"detail": -1}, 422),
        ("restore/preview", {"detail": "1"}, 422),
        ("restore/start", {"run": "../run-01"}, 404),
        ("restore/start", {"run": None}, 404),
        ("restore/start", {"photo": "x"}, 404),
        ("restore/preview", {"photo": ["x"]}, 404),
        ("restore/preview", {"across": -1}, 422),
        ("originals", {"id": "../photos/00"}, 404),
        ("nowhere", {}, 404),
    ):
        assert studio.post(path, whole | changes).status == status, path
    for body in (b"", b"[]", b"{", b"[" * 60_000):
        assert studio.post("job/cancel", body).status == 400


# How it begins and ends.


def test_it_says_one_line_ends_in_peace_and_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with RunningStudio(folder) as studio:
        studio.upload(folder / "IMG 1.jpg")
        assert len(list(tmp_path.rglob("*.jpg"))) == 1
        maps = Path(f"/proc/{studio.process.pid}/maps")
        if maps.exists():
            assert "tensorflow" not in maps.read_text()
    assert studio.process.returncode == 130
    assert studio.rest == ""
    assert studio.errors == "interrupted; the same command goes on from here\n"
    assert list(tmp_path.iterdir()) == []


def test_uploads_that_are_kept_are_few(studio: RunningStudio, folder: Path) -> None:
    first = studio.upload(folder / "IMG 1.jpg")["photo"]
    for _ in range(8):
        studio.upload(folder / "IMG 1.jpg")
    answered = studio.ask("GET", f"photographs/{first}/before")
    assert answered.status == 404
    assert "drop it again" in answered.json["error"]


def test_a_taken_port_is_told_only_where_it_was_asked_for(folder: Path) -> None:
    (port,) = free_ports(1)
    with RunningStudio(folder, "--port", port) as studio:
        assert studio.port == port
        assert f"port {port} of 127.0.0.1 is taken" in error_of("studio", "--port", port)
        with RunningStudio(folder) as one, RunningStudio(folder) as two:
            assert one.port != two.port
    for text in ("0", "65536", "x"):
        assert "--port" in error_of("studio", "--port", text, code=2)


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGHUP])
def test_a_job_and_the_uploads_end_with_the_studio(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signal_number: int
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    # A set of its own each time: what is made already is done before it can be cancelled.
    asked = {"settings": {"radius_px": 100 + signal_number}}
    with RunningStudio(folder) as studio:
        assert studio.post("blur/start", asked).json["state"] == "running"
        again = studio.post("blur/start", asked)
        assert again.status == 409
        assert "still runs" in again.json["error"]
        assert studio.post("job/cancel", {}).json["state"] == "cancelled"
        assert studio.post("blur/start", asked).json["state"] == "running"
        assert list(tmp_path.glob("studio-*"))
        os.kill(studio.process.pid, signal_number)
        studio.process.wait(30)
    assert studio.process.returncode == 130
    assert not list(tmp_path.glob("studio-*"))
    with only_writer(folder / "data", "the test"):
        """Nobody else writes."""
