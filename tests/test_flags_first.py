"""Every bad flag is told before anything is printed, written or asked of a server."""

from types import SimpleNamespace

import pytest
from helpers.command_line import error_of, loaded_by, run
from helpers.ffhq_server import METADATA, FfhqServer, image_bytes, metadata_bytes
from helpers.pair_files import write_matched_folders

from prepare.ffhq import source


@pytest.fixture
def server():
    with FfhqServer({METADATA: metadata_bytes(2), "00000.png": image_bytes(0)}) as server:
        yield server


@pytest.mark.parametrize(
    "words",
    [
        ["--max-failures", "0"],
        ["--read-timeout-s", "-5"],
        ["--deadline-s", "nan"],
        ["--num-attempts", "-1"],
        ["--backoff-s", "-0.5"],
        ["--mirror-url", "nowhere"],
        ["--ids", "70000"],
        ["--ids", "no such file"],
        ["--num-images", "70001"],
        ["--seed", "-1"],
        ["--focus", "10"],
    ],
)
def test_bad_download_flag_exits_2_before_anything_is_asked(server, tmp_path, words):
    where = ["--data-dir", str(tmp_path / "data"), "--drive-url", server.url]
    for subcommand in ("dataset", "all"):
        assert words[0] in error_of(subcommand, "--num-images", 2, *where, *words, code=2)
    assert server.requests == []
    assert not (tmp_path / "data").exists()


def test_disk_that_is_too_small_is_told_before_anything_is_fetched(server, tmp_path, monkeypatch):
    monkeypatch.setattr(source.shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    where = ["--data-dir", tmp_path / "data", "--drive-url", server.url]
    line = error_of("dataset", "--num-images", 2, *where)
    assert "has 1.0 MB free" in line
    assert "KEEP=0" in line
    assert server.requests == []


def test_dry_run_of_train_prints_every_setting_and_writes_nothing(tmp_path):
    data_dir = write_matched_folders(tmp_path / "data", [f"{n:02d}" for n in range(10)], 32)
    words = ["train", "--data-dir", data_dir, "--runs-dir", tmp_path / "runs", "--dry-run"]
    done = run(*words, "--preset", "paper", "--batch", 2)
    for line in ("generator = unet", "batch = 2", "learning_rate = 0.0002", "gan_start = 0.0"):
        assert f"  {line}\n" in done.stdout
    assert not (tmp_path / "runs").exists()
    assert not loaded_by(*words) & {"tensorflow", "keras", "cv2"}


def test_dry_run_of_all_shows_what_each_stage_would_do(tmp_path):
    data_dir = tmp_path / "data"
    done = run("all", "--num-images", 4, "--source", "sample", "--dry-run", "--data-dir", data_dir)
    assert "  radius_px = 30.0\n" in done.stdout
    assert "0 pairs are there, 4 to make" in done.stdout
    assert "  optimizer = muon\n" in done.stdout
    assert not data_dir.exists()
