"""Part files: names, links, modes, and what a kill leaves of them."""

import errno
import os
import signal
import subprocess
import sys

import pytest
from helpers.pair_files import ROOT

from prepare.records.files import (
    atomic_file,
    only_writer,
    remove_old_parts,
    write_bytes,
    write_text,
)

HALF = """
import pathlib, sys, time
from prepare.records.files import atomic_file
with atomic_file(pathlib.Path(sys.argv[1])) as file:
    file.write(b"half of it")
    file.flush()
    print("written", flush=True)
    time.sleep(120)
"""


@pytest.fixture
def writer(tmp_path):
    """A process in the middle of a file."""
    command = [sys.executable, "-c", HALF, str(tmp_path / "sub" / "name")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "written\n"
    yield process
    process.kill()
    process.wait(timeout=20)


def test_part_of_a_killed_writer_is_removed_by_the_next_that_holds_the_lock(tmp_path, writer):
    [part] = (tmp_path / "sub").iterdir()
    with only_writer(tmp_path, "another"):
        assert part.exists()  # its writer is alive
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait(timeout=20)
    assert part.read_bytes() == b"half of it"
    with only_writer(tmp_path, "another"):
        assert list((tmp_path / "sub").iterdir()) == []


def test_only_our_own_parts_are_removed(tmp_path):
    names = ["00001.png.part", ".a.jpg.part", ".mine.part", ".0123456789abcdef"]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / ".0123456789abcdef.part").write_bytes(b"")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / ".0123456789abcdef.part").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "folder" / ".0123456789abcde0.part").symlink_to(tmp_path / names[0])
    remove_old_parts(tmp_path / "folder")
    assert (tmp_path / "elsewhere" / ".0123456789abcdef.part").exists()
    remove_old_parts(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*names, "elsewhere", "folder"}


def test_folder_of_the_users_is_swept_of_our_parts_alone(tmp_path, writer):
    """As `deblur` may be told to write anywhere, with another still writing there."""
    out = tmp_path / "sub"
    [in_use] = out.iterdir()
    (out / ".0123456789abcdef.part").write_bytes(b"half")
    kept = ["photo.png", ".0123456789ABCDEF.part", ".0123456789abcde.part", "photo.jpg.part"]
    for name in kept:
        (out / name).write_bytes(b"mine")
    os.mkfifo(out / ".0123456789abcde0.part")
    (out / ".0123456789abcde1.part").mkdir()
    (out / "below").mkdir()
    (out / "below" / ".0123456789abcdef.part").write_bytes(b"half")
    before = {path.relative_to(out) for path in out.rglob("*")}
    remove_old_parts(out, below=False)
    gone = before - {path.relative_to(out) for path in out.rglob("*")}
    assert {str(path) for path in gone} == {".0123456789abcdef.part"}
    assert in_use.exists()
    remove_old_parts(tmp_path / "nowhere", below=False)


def test_two_parts_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "name"
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


def test_name_of_255_bytes(tmp_path):
    path = tmp_path / ("\u5199" * 85)
    write_text(path, "long")
    assert path.read_text() == "long"


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


def test_full_disk_names_the_file(tmp_path):
    (tmp_path / "full").symlink_to("/dev/full")

    def fill():
        with atomic_file(tmp_path / "name") as file, open("/dev/full", "wb", buffering=0) as full:
            os.dup2(full.fileno(), file.fileno())
            file.write(b"x")

    with pytest.raises(OSError, match=r"No space left on device: '.*/name'"):
        fill()


def test_folder_that_takes_no_file_names_the_file_not_its_part(tmp_path, monkeypatch):
    def refuse(path, *_):
        raise OSError(errno.ENOSPC, "No space left on device", os.fspath(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(OSError, match=r"No space left on device: '.*/name'"):
            write_bytes(tmp_path / "name", b"x")


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_error_at_the_last_moment_names_the_file(tmp_path, monkeypatch, call):
    def fail(*paths):
        raise OSError(errno.EDQUOT, "Disk quota exceeded", *map(str, paths[:1] * (call != "fsync")))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(OSError, match=r"Disk quota exceeded: '.*/name'"):
            write_bytes(tmp_path / "name", b"x")
    assert list(tmp_path.iterdir()) == []


def test_folder_in_the_files_place_is_named_once(tmp_path):
    (tmp_path / "name").mkdir()
    with pytest.raises(IsADirectoryError) as raised:
        write_bytes(tmp_path / "name", b"")
    assert str(raised.value) == f"[Errno 21] Is a directory: '{tmp_path / 'name'}'"
