"""Writes files whole or not at all, so that they outlive a kill and a power failure."""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

# Names of part files: random, so that two writers never share one; short, as the name of the file
# itself may have all the 255 bytes that a name can have.
_PART = re.compile(r"\.[0-9a-f]{16}\.part")


@contextlib.contextmanager
def atomic_file(path: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """A file to fill, which appears at `path`, in a folder made if needed, only once it is whole.

    Nothing is written through a link: one at `path` is replaced, not the file that it leads to.

    Args:
        path: of the file; its mode follows the umask.
        sync: whether its bytes are on the disk before it gets its name. Many small files are
            written faster without; `sync_disk` then stands before what names them.

    Raises:
        OSError: when it cannot be written, with its path; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part: Path | None = None
    try:
        part, descriptor = _new_part(path.parent)
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            if sync:
                os.fsync(descriptor)
            os.replace(part, path)  # while it is open, and so marked as in use
        if sync:
            _sync_folder(path.parent)
    except BaseException as error:
        if part:
            part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and _names_no_file_but_a_part(error):
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise


@contextlib.contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Gives the errors of a file that is open its path: "no space left" alone helps nobody.

    Raises:
        OSError: with the path.
    """
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


def sync_disk() -> None:
    """Waits until everything written so far is on the disk."""
    os.sync()


def remove_old_parts(folder: Path, *, below: bool = True) -> None:
    """Removes the parts that killed writers left in a folder; links are not followed.

    Args:
        folder: need not be there.
        below: also those in the folders below it; not for a folder of the user's.
    """
    for place, _, names in islice(os.walk(folder), None if below else 1):
        for name in filter(_PART.fullmatch, names):
            with contextlib.suppress(OSError):  # its writer is done with it, or still at it
                flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK  # should it be a pipe
                descriptor = os.open(Path(place, name), flags)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if stat.S_ISREG(os.fstat(descriptor).st_mode):
                        os.unlink(Path(place, name))
                finally:
                    os.close(descriptor)


def _names_no_file_but_a_part(error: OSError) -> bool:
    name = error.filename
    return not isinstance(name, (str, Path)) or bool(_PART.fullmatch(Path(name).name))


def _new_part(folder: Path) -> tuple[Path, int]:
    """An empty part file and its descriptor, locked as long as that is open."""
    while True:
        part = folder / f".{secrets.token_hex(8)}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        descriptor = os.open(part, flags, 0o666)
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return part, descriptor
        os.close(descriptor)  # `remove_old_parts` came between the two


def _sync_folder(folder: Path) -> None:
    """Brings the names in a folder to the disk, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


_BLOCK_BYTES = 1 << 20


def hash_of(text: str) -> int:
    """A number from 0 to 2**64 - 1 that depends on the text alone, on any machine.

    What is decided for an image by the hash of its id never changes, whatever is added.
    """
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def sha256_of(path: Path) -> str:
    """SHA-256 of a regular file's bytes, hexadecimal.

    Raises:
        OSError: if it is none, or cannot be read; names it.
    """
    # Without waiting, should it be a pipe.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is no regular file")
        digest = hashlib.sha256()
        with named_errors(path), open(descriptor, "rb", closefd=False) as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    finally:
        os.close(descriptor)
    return digest.hexdigest()
