"""One writer a folder: a second is told who holds it, and a killed one holds nothing."""

import os
import signal
import subprocess
import sys
import time

import pytest
from helpers.pair_files import ROOT, write_matched_folders, write_photos

import pipeline
from prepare.records.files import FolderInUseError, only_writer

HOLD = """
import pathlib, sys, time
from prepare.records.files import only_writer
with only_writer(pathlib.Path(sys.argv[1]), "a long task"):
    print("held", flush=True)
    time.sleep(120)
"""


@pytest.fixture
def held(tmp_path):
    """A folder that another process writes into."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "held")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield tmp_path / "held", process
    process.kill()
    process.wait(timeout=20)


def test_second_writer_is_told_who_holds_the_folder(held):
    folder, process = held
    with pytest.raises(FolderInUseError) as raised, only_writer(folder, "another"):
        pass
    assert f"in use by a long task, process {process.pid} on " in str(raised.value)


def test_lock_of_a_killed_process_is_free_at_once(held):
    folder, process = held
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=20)
    with only_writer(folder, "another"):
        assert (folder / ".writer.json").exists()
    assert not (folder / ".writer.json").exists()
    with only_writer(folder, "again"):
        pass


def test_commands_that_write_wait_for_nobody_and_readers_do_not_ask(held, tmp_path, capsys):
    folder, _ = held
    write_matched_folders(folder, [f"{number:02d}" for number in range(10)], 32)
    photos = write_photos(tmp_path / "photos", [f"{number:02d}.png" for number in range(4)])
    before = sorted(path.name for path in folder.rglob("*"))
    where = ["--data-dir", str(folder)]
    source = ["--num-images", "4", "--source", "folder", "--from", str(photos), "--size", "32"]
    for words in (["dataset", *source], ["blur", "--radius", "20"], ["clean-pairs"]):
        began_s = time.monotonic()
        assert pipeline.main([*words, *where]) == 1
        [line] = capsys.readouterr().err.splitlines()
        assert "is in use by a long task, process" in line
        assert time.monotonic() - began_s < 10
    assert sorted(path.name for path in folder.rglob("*")) == before
    assert pipeline.main(["train", *where, "--dry-run"]) == 0


def test_new_folder_that_stays_empty_is_removed_and_no_other(tmp_path):
    with only_writer(tmp_path / "new", "nothing"):
        pass
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    with only_writer(tmp_path / "old", "nothing"):
        pass
    assert (tmp_path / "old").is_dir()
    with only_writer(tmp_path / "used", "something"):
        (tmp_path / "used" / "file").write_bytes(b"content")
    assert (tmp_path / "used" / "file").exists()
