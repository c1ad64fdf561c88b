"""One writer a folder: two at once would undo each other's records."""

import contextlib
import os
import socket
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import filelock

from prepare import PrepareError
from prepare.records.atomic import named_errors, remove_old_parts, write_json
from prepare.records.json_file import parse_json, read_record

LOCK_NAME, HOLDER_NAME = ".lock", ".writer.json"


class FolderInUseError(PrepareError):
    """Another process writes into the folder."""


@contextlib.contextmanager
def only_writer(folder: Path, does: str) -> Iterator[None]:
    """Keeps other writers out of a folder; readers are not concerned.

    The system holds the lock, so one of a process that was killed is free at once. The parts of
    files that such a process left are removed.

    Args:
        folder: made when missing, and removed again if it stays empty.
        does: what the writer does, as others will read it.

    Raises:
        FolderInUseError: if another process holds it; names that one.
        OSError: if the folder cannot be written.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / LOCK_NAME, timeout=0)
    try:
        with named_errors(folder / LOCK_NAME):
            lock.acquire()
    except filelock.Timeout as error:
        raise FolderInUseError(
            f"{folder} is in use by {_holder_of(folder)}; wait for it, or name another folder"
        ) from error
    try:
        since = datetime.now(timezone.utc).isoformat(timespec="seconds")
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "does": does, "since": since}
        write_json(folder / HOLDER_NAME, holder)
        remove_old_parts(folder)
        yield
    finally:
        (folder / HOLDER_NAME).unlink(missing_ok=True)
        if is_new and [path.name for path in folder.iterdir()] == [LOCK_NAME]:
            (folder / LOCK_NAME).unlink()  # nothing came of it, so no empty folder stays
            folder.rmdir()
        lock.release()


def _holder_of(folder: Path) -> str:
    try:
        holder = parse_json(read_record(folder / HOLDER_NAME, "", max_bytes=1 << 16) or "")
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
