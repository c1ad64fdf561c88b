"""One writer a folder: two at once would undo each other's records."""

import contextlib
import os
import socket
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import filelock

from prepare import PrepareError
from prepare.records.files import named_errors, remove_old_parts, write_json
from prepare.records.json_file import parse_json, read_record

LOCK_NAME, HOLDER_NAME = ".lock", ".writer.json"
WAIT_FOR_ANOTHER_PART_S = 10  # which holds the lock of the whole for a moment, to look


class FolderInUseError(PrepareError):
    """Another process writes into the folder."""


@contextlib.contextmanager
def only_writer(folder: Path, does: str, part: str = "") -> Iterator[None]:
    """Keeps other writers out of a folder, or of a part of it; readers are not concerned.

    The system holds the lock, so one of a process that was killed is free at once. The parts of
    files that such a process left are removed.

    Args:
        folder: made when missing, and removed again if it stays empty.
        does: what the writer does, as others will read it.
        part: several parts may be written at a time, but not while somebody writes the whole.

    Raises:
        FolderInUseError: if another process holds it; names that one.
        OSError: if the folder cannot be written.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    suffix = f".{part}" if part else ""
    lock = _acquired(folder, suffix)
    try:
        # Whoever comes first, one of the two sees the lock of the other.
        for other in [""] if part else _suffixes_of_parts(folder):
            _acquired(folder, other, WAIT_FOR_ANOTHER_PART_S if part else 0).release()
    except BaseException:
        lock.release()
        raise
    try:
        since = datetime.now(timezone.utc).isoformat(timespec="seconds")
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "does": does, "since": since}
        write_json(folder / f"{HOLDER_NAME}{suffix}", holder)
        if not part:  # other machines may be writing, and not every file system tells
            remove_old_parts(folder)
        yield
    finally:
        (folder / f"{HOLDER_NAME}{suffix}").unlink(missing_ok=True)
        if is_new and not part and [path.name for path in folder.iterdir()] == [LOCK_NAME]:
            (folder / LOCK_NAME).unlink()  # nothing came of it, so no empty folder stays
            folder.rmdir()
        lock.release()


def _suffixes_of_parts(folder: Path) -> list[str]:
    """Of the parts that have been written."""
    return [path.name.removeprefix(LOCK_NAME) for path in sorted(folder.glob(f"{LOCK_NAME}.*"))]


def _acquired(folder: Path, suffix: str, timeout_s: float = 0) -> filelock.BaseFileLock:
    """A lock that is held.

    Raises:
        FolderInUseError: if another process holds it for longer than is waited.
    """
    lock = filelock.FileLock(folder / f"{LOCK_NAME}{suffix}", timeout=timeout_s)
    try:
        with named_errors(folder / f"{LOCK_NAME}{suffix}"):
            lock.acquire()
    except filelock.Timeout as error:
        raise FolderInUseError(
            f"{folder} is in use by {_holder_of(folder, suffix)}; wait for it, or name another "
            "folder"
        ) from error
    return lock


def _holder_of(folder: Path, suffix: str) -> str:
    try:
        holder = parse_json(
            read_record(folder / f"{HOLDER_NAME}{suffix}", "", max_bytes=1 << 16) or ""
        )
        words = "{does}, process {pid} on {host} since {since}".format(**holder)
        return " ".join(words.split())
    except (
        OSError,
        PrepareError,
        ValueError,
        KeyError,
        TypeError,
    ):  # between its lock and its note
        return "another process"
