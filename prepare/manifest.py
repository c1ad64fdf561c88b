"""The record of a data folder: which images it holds, their side of the split, and their origin."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from prepare import PrepareError


class DamagedRecordError(PrepareError):
    """A record of the data folder cannot be read."""


@dataclass(frozen=True)
class Image:
    """One line of `manifest.jsonl`."""

    id: str  # the original's file name without extension
    split: str  # "train" or "test"
    source: str  # "sample", "folder", "drive" or "mirror"
    sha256: str  # of the original's bytes, hexadecimal
    width: int  # of the original, upright, pixels
    height: int


def split_of(image_id: str) -> str:
    """Side of the 8:2 split, "train" or "test", decided by nothing but the id.

    A hash in place of a shuffled list: an image never changes sides, whatever else is added.
    """
    digest = hashlib.sha256(image_id.encode()).digest()
    return "test" if int.from_bytes(digest[:8], "big") % 10 >= 8 else "train"


def write_atomically(path: Path, content: bytes) -> None:
    """Puts `content` at `path` whole or not at all, making its folder if needed.

    Raises:
        OSError: when it cannot be written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part_path = path.with_name(f".{path.name}.part")
    try:
        part_path.write_bytes(content)
        os.replace(part_path, path)
    except BaseException:
        part_path.unlink(missing_ok=True)
        raise


def read_lines(path: Path) -> list[dict]:
    """The objects of a JSON-lines file; empty when there is none.

    Raises:
        DamagedRecordError: if it holds anything else.
    """
    if not path.exists():
        return []
    try:
        # Not splitlines: an id may hold one of the rarer line ends that Unicode knows.
        lines = path.read_text(encoding="utf-8").split("\n")
        return [dict(json.loads(line)) for line in lines if line]
    except (ValueError, TypeError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> DamagedRecordError:
    return DamagedRecordError(
        f"{path} is damaged; run `make clean-pairs`, then `make dataset` makes it again"
    )


def write_lines(path: Path, objects: Iterable[Mapping]) -> None:
    """Writes a JSON-lines file atomically."""
    lines = (json.dumps(each, ensure_ascii=False) + "\n" for each in objects)
    write_atomically(path, "".join(lines).encode())


def read_manifest(path: Path) -> dict[str, Image]:
    """The images of a data folder by id; empty when there are none.

    Raises:
        DamagedRecordError: if a line does not describe an image.
    """
    try:
        return {each["id"]: Image(**each) for each in read_lines(path)}
    except (KeyError, TypeError) as error:
        raise _damaged(path) from error


def write_manifest(path: Path, images: Mapping[str, Image]) -> None:
    """Writes the images in the order of their ids, so that equal content is equal bytes."""
    write_lines(path, (asdict(images[image_id]) for image_id in sorted(images)))
