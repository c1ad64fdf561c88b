"""Files: whole or not at all, after a kill, too; one writer a folder; only regular ones read."""

import errno
import fcntl
import json
import math
import os
import subprocess
import sys
from unittest import mock

import pytest
from helpers.pair_files import ROOT, tree, write_matched_folders, write_photos

import pipeline
from prepare import PrepareError
from prepare.records import files
from prepare.records.files import (
    atomic_file,
    only_writer,
    open_regular,
    remove_old_parts,
    sha256_of,
    write_bytes,
    write_json,
    write_text,
)

HALF = """
import pathlib, sys, time
from prepare.records.files import atomic_file
with atomic_file(pathlib.Path(sys.argv[1])) as file:
    file.write(b"half of it")
    file.flush()
    print("ready", flush=True)
    time.sleep(120)
"""
HOLD = """
import pathlib, sys, time
from prepare.records.files import only_writer
with only_writer(pathlib.Path(sys.argv[1]), "a long task"):
    print("ready", flush=True)
    time.sleep(120)
"""


def started(program, path):
    """A process in the middle of what a program does with a path."""
    command = [sys.executable, "-c", program, str(path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def killed(process):
    process.kill()
    process.wait(timeout=20)


@pytest.fixture
def writer(tmp_path):
    """A process in the middle of a file."""
    process = started(HALF, tmp_path / "sub" / "name")
    yield process
    killed(process)


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    """A folder that another process writes into, and that process."""
    folder = tmp_path_factory.mktemp("held") / "held"
    process = started(HOLD, folder)
    yield folder, process
    killed(process)


# Whole or not at all.


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "new" / "file"
    write_text(path, "first, long line\r\n")
    write_text(path, "Zoë\n")

    def fail():
        with atomic_file(path) as file:
            file.write(b"half of it")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with pytest.raises(TypeError):
        write_bytes(path, "text is not bytes")
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"psnr_db": math.nan})
    assert path.read_bytes() == "Zoë\n".encode()
    assert list(path.parent.iterdir()) == [path]
    write_json(path, {"psnr_db": 28.5, "ids": ["1"]})
    assert json.loads(path.read_text()) == {"psnr_db": 28.5, "ids": ["1"]}


def test_two_parts_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / ("\u5199" * 85)  # a name of 255 bytes
    with atomic_file(path) as first, atomic_file(path) as second:
        first.write(b"first")
        second.write(b"second")
        assert len(list(tmp_path.iterdir())) == 2
    assert path.read_bytes() == b"first"  # which was closed last
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_written_through_a_link(tmp_path):
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / "name").symlink_to(tmp_path / "mine")
    write_bytes(tmp_path / "name", b"new")
    assert (tmp_path / "mine").read_bytes() == b"mine"
    assert not (tmp_path / "name").is_symlink()
    assert (tmp_path / "name").read_bytes() == b"new"


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_mode_follows_the_umask(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_bytes(tmp_path / "new", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == mode


def test_bytes_are_on_the_disk_before_the_name(tmp_path, monkeypatch):
    done = []
    real_fsync, real_replace = os.fsync, os.replace
    kind = {True: "folder", False: "file"}

    def fsync(descriptor):
        done.append(f"sync {kind[os.path.isdir(f'/proc/self/fd/{descriptor}')]}")
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append("name"), real_replace(*paths)))
    write_bytes(tmp_path / "name", b"content")
    assert done == ["sync file", "name", "sync folder"]
    write_bytes(tmp_path / "other", b"content", sync=False)
    assert done[3:] == ["name"]


# Errors name the file that was asked for.


@pytest.mark.parametrize("call", ["open", "fsync", "replace"])
def test_error_of_the_disk_names_the_file_not_its_part(tmp_path, monkeypatch, call):
    def fail(path, *_):
        named = () if call == "fsync" else (str(path),)
        raise OSError(errno.EDQUOT, "Disk quota exceeded", *named)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(OSError, match=r"Disk quota exceeded: '.*/name'"):
            write_bytes(tmp_path / "name", b"x")
    assert list(tmp_path.iterdir()) == []


def test_what_stands_in_the_place_of_a_file_or_its_folder_is_named_once(tmp_path):
    (tmp_path / "name").mkdir()
    with pytest.raises(IsADirectoryError) as raised:
        write_bytes(tmp_path / "name", b"")
    assert str(raised.value) == f"[Errno 21] Is a directory: '{tmp_path / 'name'}'"
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        write_bytes(tmp_path / "file" / "below", b"content")
    assert {path.name for path in tmp_path.iterdir()} == {"name", "file"}


# What a killed writer left.


def test_part_of_a_killed_writer_is_removed_by_the_next_that_holds_the_lock(tmp_path, writer):
    [part] = (tmp_path / "sub").iterdir()
    with only_writer(tmp_path, "another"):
        assert part.exists()  # its writer is alive
    killed(writer)
    assert part.read_bytes() == b"half of it"
    with only_writer(tmp_path, "another"):
        assert list((tmp_path / "sub").iterdir()) == []


def test_only_our_own_parts_are_removed_and_none_that_is_in_use(tmp_path, writer):
    """As in a folder of the user's: `deblur` may be told to write anywhere."""
    out = tmp_path / "sub"
    for name in ("photo.png", ".0123456789ABCDEF.part", ".0123456789abcde.part", "photo.jpg.part"):
        (out / name).write_bytes(b"mine")
    os.mkfifo(out / ".0123456789abcde0.part")
    (out / ".0123456789abcde1.part").mkdir()
    for folder in (tmp_path / "elsewhere", out / "below", out):
        folder.mkdir(exist_ok=True)
        (folder / ".0123456789abcdef.part").write_bytes(b"half")
    (out / "below" / "link").symlink_to(tmp_path / "elsewhere")
    before = {path.relative_to(out) for path in out.rglob("*")}
    remove_old_parts(out, below=False)
    gone = before - {path.relative_to(out) for path in out.rglob("*")}
    assert {str(path) for path in gone} == {".0123456789abcdef.part"}
    remove_old_parts(out)
    assert {path.name for path in (out / "below").iterdir()} == {"link"}
    assert (tmp_path / "elsewhere" / ".0123456789abcdef.part").exists()
    remove_old_parts(tmp_path / "nowhere")


# Regular files alone are read.


def put(path, kind):
    """Something else in the place of a file."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"device": "/dev/zero", "itself": path, "nowhere": "gone"}[kind])


@pytest.mark.parametrize("kind", ["pipe", "device", "itself", "nowhere", "folder"])
def test_only_a_regular_file_is_opened_or_has_a_hash(tmp_path, kind):
    put(tmp_path / "x.png", kind)
    for read in (open_regular, sha256_of):
        with pytest.raises(OSError, match=r"x\.png"):
            read(tmp_path / "x.png")


# One writer a folder.


def test_lock_of_a_killed_process_is_free_at_once(tmp_path):
    process = started(HOLD, tmp_path / "held")
    killed(process)
    for _ in range(2):
        with only_writer(tmp_path / "held", "another"):
            assert (tmp_path / "held" / ".writer.json").exists()
        assert not (tmp_path / "held" / ".writer.json").exists()


@pytest.mark.parametrize("note", [b"", b"{}", b"[" * 100_000, b"\xff", b'{"pid": 1}'])
def test_damaged_note_of_the_writer_is_no_more_than_that(tmp_path, note):
    with only_writer(tmp_path, "a long task"):
        (tmp_path / ".writer.json").write_bytes(note)
        with (
            pytest.raises(PrepareError, match="in use by another process; wait"),
            only_writer(tmp_path, "another"),
        ):
            pass


def test_commands_that_write_wait_for_nobody_and_readers_do_not_ask(held, tmp_path, capsys):
    folder, process = held
    write_matched_folders(folder, [f"{number:02d}" for number in range(10)], 32)
    photos = write_photos(tmp_path / "photos", [f"{number:02d}.png" for number in range(4)])
    before = tree(folder)
    where = ["--data-dir", str(folder)]
    source = ["--num-images", "4", "--source", "folder", "--from", str(photos), "--size", "32"]
    for words in (["dataset", *source], ["blur", "--radius", "20"], ["clean-pairs"]):
        assert pipeline.main([*words, *where]) == 1
        [line] = capsys.readouterr().err.splitlines()
        assert f"is in use by a long task, process {process.pid} on " in line
    assert tree(folder) == before
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


def test_folder_that_cannot_be_locked_is_written_with_a_warning(tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(files.os, "fsync", mock.Mock(side_effect=OSError(errno.EINVAL, "Invalid")))
    with only_writer(tmp_path / "far", "something"):
        write_text(tmp_path / "far" / "file", "content")
    assert (tmp_path / "far" / "file").read_text() == "content"
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: {tmp_path / 'far'} cannot be locked; ")
