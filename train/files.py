"""Writes files whole or not at all."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image


def write_atomically(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Lets `write` fill a file that appears at `path` only once it is whole.

    Raises:
        OSError: when it cannot be written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part_path = path.with_name(f".{path.name}.part")
    try:
        with part_path.open("wb") as file:
            write(file)
        os.replace(part_path, path)
    except BaseException:
        part_path.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically, its line ends as they are."""
    write_atomically(path, lambda file: file.write(text.encode()))


def write_json(path: Path, content: dict) -> None:
    """Writes an indented JSON object atomically."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_picture(path: Path, picture_u8: np.ndarray) -> None:
    """Writes a (height, width, 3) RGB picture as PNG, or as JPEG of quality 95, 4:4:4."""
    image = Image.fromarray(picture_u8)
    if path.suffix.lower() == ".png":
        write_atomically(path, lambda file: image.save(file, "PNG"))
    else:
        write_atomically(path, lambda file: image.save(file, "JPEG", quality=95, subsampling=0))


def read_picture(path: str | Path) -> np.ndarray:
    """A picture as uint8, shape (height, width, 3), RGB, 0..255.

    Raises:
        OSError: if it is missing or damaged; names it.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError) as error:
        raise OSError(f"{path} is damaged ({error}); remove it and make it again") from error
