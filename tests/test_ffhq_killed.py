"""Downloads that are killed or interrupted, and go on: all is right, nothing is fetched twice."""

import io
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import time

import pytest
from helpers.ffhq_files import image_bytes, metadata_bytes, tar_bytes
from helpers.ffhq_server import METADATA, FfhqServer
from helpers.pair_files import ROOT

NUM_IMAGES, NUM_KILLS = 60, 20


def drive_files(num_images):
    images = {f"{n:05d}.png": image_bytes(n) for n in range(num_images)}
    return {METADATA: metadata_bytes(num_images), **images}


@pytest.fixture(scope="module")
def files():
    order = random.Random(0).sample(range(NUM_IMAGES), NUM_IMAGES)
    members = [(f"{n:05d}.webp", image_bytes(n, "WEBP")) for n in order]
    return drive_files(NUM_IMAGES) | {"00000.tar": tar_bytes(members)}


@pytest.fixture
def server(files):
    with FfhqServer(dict(files)) as server:
        server.delay_s = 0.03  # per 4 KiB: an image takes a few tenths of a second
        yield server


def start(server, folder, source, num_images=NUM_IMAGES):
    settings = {
        "source": source,
        "drive_url": server.url,
        "mirror_url": f"{server.url}/mirror",
        "connections": 4,
        "backoff_s": 0.01,
    }
    command = [
        sys.executable,
        "tests/helpers/fetch_ffhq.py",
        folder,
        str(num_images),
        json.dumps(settings),
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def whole(folder, suffix):
    """Names of the files that carry their final name; each has to be right whenever one looks."""
    image_format = suffix[1:].upper()
    paths = list(folder.glob(f"ffhq/images1024x1024/00000/*{suffix}"))
    for path in paths:
        assert path.read_bytes() == image_bytes(int(path.stem), image_format), path.name
    return {path.name for path in paths}


def spans(tar):
    """Where each member of a tar lies."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return {m.name: (m.offset, m.offset_data + m.size) for m in archive}


@pytest.mark.slow
@pytest.mark.parametrize(("source", "suffix"), [("drive", ".png"), ("mirror", ".webp")])
def test_killed_twenty_times(server, files, tmp_path, source, suffix):
    moments = random.Random(source)
    places, kills = spans(files["00000.tar"]), 0
    while kills < NUM_KILLS:
        before, num_asked = whole(tmp_path, suffix), len(server.requests)
        process = start(server, tmp_path, source)
        time.sleep(moments.uniform(0.3, 0.9))
        process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        time.sleep(0.1)
        check_asked(server.requests[num_asked:], before, places)
        if process.returncode == 0:  # all are there: go on with a new download
            assert len(whole(tmp_path, suffix)) == NUM_IMAGES
            for path in tmp_path.glob("ffhq/**/*.*"):
                path.unlink()
    before, num_asked = whole(tmp_path, suffix), len(server.requests)
    server.delay_s = 0
    output, errors = start(server, tmp_path, source).communicate(timeout=60)
    assert errors == b""
    assert len(output.splitlines()) == NUM_IMAGES
    assert len(whole(tmp_path, suffix)) == NUM_IMAGES
    check_asked(server.requests[num_asked:], before, places)
    assert not list(tmp_path.glob("ffhq/images1024x1024/*/*.part"))


def check_asked(requests, before, places):
    """Asserts that no request was for bytes of a file that was whole before."""
    for request in requests:
        assert request.name not in before
        if request.name == "00000.tar":
            end = request.start + request.num_bytes
            for name in before:
                offset, member_end = places[name]
                assert not (request.start < member_end and offset < end), name


def test_interrupt_keeps_what_is_whole_and_ends_at_once(tmp_path):
    with FfhqServer(drive_files(8)) as server:
        server.misbehave("00005.png", "silent", for_ever=True)
        interrupt(start(server, tmp_path, "drive", 8), tmp_path)


def interrupt(process, folder):
    came = [process.stdout.readline().split()[0].decode() for _ in range(6)]
    process.send_signal(signal.SIGINT)
    before = time.monotonic()
    process.communicate(timeout=20)
    assert time.monotonic() - before < 2
    assert process.returncode != 0
    assert {f"{image_id}.png" for image_id in came} <= whole(folder, ".png")
