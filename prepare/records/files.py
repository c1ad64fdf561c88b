"""Files: written completely or not at all, by one writer per folder; only regular ones are read."""

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import filelock

from prepare import PrepareError

FLAGS = ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY")  # Windows has none but the last
NO_FOLLOW, NO_WAIT, BINARY = (getattr(os, flag, 0) for flag in FLAGS)
# Names of part files: random, so that two writers never share one; short, as the name of the file
# itself may have all the 255 bytes that a name can have.
PART_NAME = re.compile(r"\.[0-9a-f]{16}\.part")
LOCK_NAME, HOLDER_NAME = ".lock", ".writer.json"
WAIT_FOR_ANOTHER_PART_S = 10  # which holds the lock of the whole for a moment, to look


class FolderInUseError(PrepareError):
    """Another process writes into the folder."""


class NotRegularError(OSError):
    """A pipe, a device or a folder is in the place of a file."""


@contextlib.contextmanager
def atomic_file(
    path: Path, *, sync: bool = True, check: Callable[[], None] | None = None
) -> Iterator[BinaryIO]:
    """A file to fill, which appears at `path`, in a folder made if needed, only once it is whole.

    Nothing is written through a link: one at `path` is replaced, not the file that it leads to.

    Args:
        path: of the file; its mode follows the umask.
        sync: whether its bytes are on the disk before it gets its name. Many small files are
            written faster without it; then call `os.sync` before writing their names elsewhere.
        check: raises if what is at `path` by now must stay.

    Raises:
        OSError: when it cannot be written, with its path; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part: Path | None = None
    try:
        part, descriptor = new_part(path.parent)
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            if sync:
                to_disk(descriptor)
            put = partial(link_or_replace, check=check) if check else os.replace
            if sys.platform == "win32":  # which renames no open file
                file.close()
            put(part, path)  # while it is open, and so marked as in use
        if sync:
            with contextlib.suppress(OSError):  # a system that brings no folder to the disk
                descriptor = os.open(path.parent, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
    except BaseException as error:
        if part:
            part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno:
            named = error.filename is not None and Path(str(error.filename)).name
            if not named or PART_NAME.fullmatch(named):
                raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise


def link_or_replace(part: Path, path: Path, check: Callable[[], None]) -> None:
    """Gives a part its name, and sees whether another writer came first."""
    try:
        os.link(part, path)
    except OSError:  # it is there, or the file system has no links
        check()
        os.replace(part, path)
    else:
        part.unlink()


def to_disk(descriptor: int) -> None:
    """Waits until the bytes of an open file are on the disk, where the file system can say so."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise


def new_part(folder: Path) -> tuple[Path, int]:
    """An empty part of a file and its descriptor, locked as long as that is open."""
    while True:
        part = folder / f".{secrets.token_hex(8)}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW | BINARY
        descriptor = os.open(part, flags, 0o666)
        with contextlib.suppress(OSError):  # a file system without locks
            lock_file(descriptor)
        if os.fstat(descriptor).st_nlink:
            return part, descriptor
        os.close(descriptor)  # `remove_old_parts` came between the two


def lock_file(file: BinaryIO | int, *, wait: bool = True) -> None:
    """Locks an open file for this process; OSError where that cannot be, as on Windows."""
    if sys.platform == "win32":
        raise OSError(errno.ENOLCK, "no locks of this kind")
    import fcntl

    fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def remove_old_parts(folder: Path, *, below: bool = True) -> None:
    """Removes the parts that killed writers left in a folder; links are not followed.

    `below` removes also those in the folders below it: not for a folder of the user's.
    """
    for place, _, names in islice(os.walk(folder), None if below else 1):
        for path in (Path(place, name) for name in names if PART_NAME.fullmatch(name)):
            # OSError: its writer is still at it, or done; or it is a pipe, which cannot be sought.
            with contextlib.suppress(OSError), path.open("r+b") as file:
                lock_file(file, wait=False)
                path.unlink()


@contextlib.contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Adds the path to the errors of an open file, since "no space left" alone does not help."""
    try:
        yield
    except OSError as error:
        if error.errno and error.filename is None:
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise


def write_bytes(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Writes bytes atomically; `sync` and OSError as for `atomic_file`."""
    with atomic_file(path, sync=sync) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically, its line ends as they are."""
    write_bytes(path, text.encode())


def write_json(path: Path, content: dict) -> None:
    """Writes an indented JSON object atomically."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def open_regular(path: str | Path) -> BinaryIO:
    """A regular file, opened to be read in binary; never waits for the other end of a pipe.

    NotRegularError if something else stands there, OSError if it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | NO_WAIT | BINARY)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRegularError(errno.EINVAL, "no regular file", os.fspath(path))
    return open(descriptor, "rb")


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a regular file's bytes, hexadecimal; OSError as for `open_regular`."""
    digest = hashlib.sha256()
    with named_errors(Path(path)), open_regular(path) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def hash_of(text: str) -> int:
    """A number from 0 to 2**64 - 1 that depends only on the text, on any machine.

    So a decision by the hash of an image's id never changes.
    """
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


@contextlib.contextmanager
def only_writer(folder: Path, does: str, part: str = "") -> Iterator[None]:
    """Keeps other writers out of a folder, or of a part of it; readers are not concerned.

    The system holds the lock, so one of a process that was killed is free at once. The parts of
    files that such a process left are removed.

    Args:
        folder: made when missing, and removed again if it stays empty.
        does: the command of the writer, shown to others.
        part: several parts may be written at a time, but not while somebody writes the whole.

    Raises:
        FolderInUseError: if another process holds it; names that one.
        OSError: if the folder cannot be written.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    suffix = f".{part}" if part else ""
    lock = acquired_lock(folder, suffix)
    try:
        # Whoever comes first, one of the two sees the lock of the other.
        parts = [path.name.removeprefix(LOCK_NAME) for path in folder.glob(f"{LOCK_NAME}.*")]
        for other in [""] if part else sorted(parts):
            acquired_lock(folder, other, WAIT_FOR_ANOTHER_PART_S if part else 0).release()
        since = datetime.now(UTC).isoformat(timespec="seconds")
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "does": does, "since": since}
        try:
            write_json(folder / f"{HOLDER_NAME}{suffix}", holder)
            if not part:  # other machines may be writing, and not every file system tells
                remove_old_parts(folder)
            yield
        finally:
            (folder / f"{HOLDER_NAME}{suffix}").unlink(missing_ok=True)
            if is_new and not part and [path.name for path in folder.iterdir()] == [LOCK_NAME]:
                (folder / LOCK_NAME).unlink()  # nothing came of it, so no empty folder stays
                folder.rmdir()
    finally:
        lock.release()


def acquired_lock(folder: Path, suffix: str, timeout_s: float = 0) -> filelock.BaseFileLock:
    """The lock of a folder, or of a part of it, held; FolderInUseError as for `only_writer`."""
    path = folder / f"{LOCK_NAME}{suffix}"
    lock = filelock.FileLock(path, timeout=timeout_s)
    try:
        with named_errors(path):
            lock.acquire()
    except filelock.Timeout as error:
        holder = "another process"  # between its lock and its note
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
            with open_regular(folder / f"{HOLDER_NAME}{suffix}") as file:
                note = json.loads(file.read(1 << 16))
            words = "{does}, process {pid} on {host} since {since}".format(**note)
            holder = " ".join(words.split())
        raise FolderInUseError(
            f"{folder} is in use by {holder}; wait for it, or name another folder"
        ) from error
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP):
            raise
        warning = f"warning: {folder} cannot be locked; do not let two commands write there at once"
        print(warning, file=sys.stderr)
    return lock
