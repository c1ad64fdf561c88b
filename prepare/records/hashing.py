"""Hashes: draws that depend on an id alone, and what tells files apart."""

import hashlib
import os
import stat
from pathlib import Path

from prepare.records.atomic import named_errors

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
