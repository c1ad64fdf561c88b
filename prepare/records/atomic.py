"""Writes files whole or not at all."""

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

PART = ".part"


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file to fill, which appears at `path`, in a folder made if needed, only once it is whole.

    Raises:
        OSError: when it cannot be written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Short, since the name itself may have all the bytes that a name can have.
    part_path = path.with_name(f".{secrets.token_hex(8)}{PART}")
    try:
        with part_path.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # a name never leads to bytes that a power cut may take
        os.replace(part_path, path)
    except BaseException:
        part_path.unlink(missing_ok=True)
        raise


def sweep_parts(folder: Path) -> None:
    """Removes what a killed writer left in a folder; for who holds its lock."""
    if folder.is_dir():
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") and entry.name.endswith(PART):
                    os.unlink(entry.path)


def write_bytes(path: Path, content: bytes) -> None:
    """Writes bytes atomically; raises OSError as `atomic_file` does."""
    with atomic_file(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically, its line ends as they are."""
    write_bytes(path, text.encode())


def write_json(path: Path, content: dict) -> None:
    """Writes an indented JSON object atomically."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")
