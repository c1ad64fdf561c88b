"""`pipeline.py dataset --source ffhq` as a person types it, against a server that plays FFHQ's."""

import json
import shutil
import subprocess
import sys

import pytest
from helpers.ffhq_files import image_bytes, metadata_bytes, tar_bytes
from helpers.ffhq_server import METADATA, FfhqServer
from helpers.pair_files import ROOT

NUM_IMAGES = 4


@pytest.fixture
def server():
    members = [(f"{n:05d}.webp", image_bytes(n, "WEBP")) for n in (2, 0, 3, 1)]
    images = {f"{n:05d}.png": image_bytes(n) for n in range(NUM_IMAGES)}
    files = {METADATA: metadata_bytes(NUM_IMAGES), "00000.tar": tar_bytes(members), **images}
    with FfhqServer(files) as server:
        yield server


def run(server, data_dir, *arguments, subcommand="dataset"):
    command = [sys.executable, "pipeline.py", subcommand, "--data-dir", data_dir]
    if subcommand == "dataset":
        command += ["--num-images", str(NUM_IMAGES), "--drive-url", server.url]
        command += ["--mirror-url", f"{server.url}/mirror", "--backoff-s", "0.01"]
    return subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True)


def sources(data_dir):
    lines = (data_dir / "manifest.jsonl").read_text().splitlines()
    return {image["id"]: image["source"] for image in map(json.loads, lines)}


def test_drive_gives_pairs_licenses_and_a_notice(server, tmp_path):
    done = run(server, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "facial recognition" in done.stdout
    assert "4 photographs to fetch" in done.stdout
    assert set(sources(tmp_path).values()) == {"drive"}
    assert (tmp_path / "originals/ffhq/images1024x1024/00000/00003.png").exists()
    assert (tmp_path / "originals/ffhq/LICENSES.csv").exists()
    assert len(list(tmp_path.glob("blurred_resized/disc-r30/*.jpg"))) == NUM_IMAGES


def test_a_second_call_asks_the_network_for_nothing(server, tmp_path):
    run(server, tmp_path)
    asked = len(server.requests)
    done = run(server, tmp_path)
    assert done.returncode == 0
    assert "0 to make" in done.stdout
    assert len(server.requests) == asked


def test_what_drive_refuses_comes_from_the_mirror(server, tmp_path):
    for number in range(NUM_IMAGES):
        server.misbehave(f"{number:05d}.png", "quota", for_ever=True)
    done = run(server, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "are fetched from the mirror" in done.stdout + done.stderr
    assert set(sources(tmp_path).values()) == {"mirror"}


def test_what_cannot_be_had_is_one_error_and_the_rest_is_kept(server, tmp_path):
    server.misbehave("00002.png", "404", for_ever=True)
    done = run(server, tmp_path, "--source", "drive")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr
    assert set(sources(tmp_path)) == {"00000", "00001", "00003"}


def test_without_keep_the_originals_go_and_blur_says_so(server, tmp_path):
    done = run(server, tmp_path, "--keep", "0")
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.glob("originals/ffhq/images1024x1024/00000/*"))
    asked = len(server.requests)
    assert run(server, tmp_path, "--keep", "0").returncode == 0
    assert len(server.requests) == asked
    done = run(server, tmp_path, "--radius", "15", subcommand="blur")
    assert done.returncode == 1
    assert "error: 4 of 4 originals could not be used" in done.stderr


def test_a_copy_is_used_in_place(server, tmp_path):
    run(server, tmp_path / "first")
    copy = tmp_path / "copy"
    shutil.move(tmp_path / "first/originals/ffhq", copy)
    data_dir = tmp_path / "second"
    done = run(server, data_dir, "--source", "folder", "--from", str(copy))
    assert done.returncode == 0, done.stderr
    assert (data_dir / "originals/folder/images1024x1024").is_symlink()
    assert run(server, data_dir, "--radius", "15", subcommand="blur").returncode == 0
    assert len(list(data_dir.glob("blurred_resized/disc-r15/*.jpg"))) == NUM_IMAGES


def test_a_bad_range_of_ids_is_a_bad_flag(server, tmp_path):
    done = run(server, tmp_path, "--ids", "9-3")
    assert done.returncode == 2
    assert done.stderr.startswith("error: --ids")
