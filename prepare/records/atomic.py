"""Writes files whole or not at all."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file to fill, which appears at `path`, in a folder made if needed, only once it is whole.

    Raises:
        OSError: when it cannot be written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part_path = path.with_name(f".{path.name}.part")
    try:
        with part_path.open("wb") as file:
            yield file
        os.replace(part_path, path)
    except BaseException:
        part_path.unlink(missing_ok=True)
        raise


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
