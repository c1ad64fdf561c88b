"""The record of a data folder: which images it holds, their side of the split, and their origin."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from prepare.records.atomic import write_text
from prepare.records.errors import DamagedRecordError
from prepare.records.hashing import hash_of


@dataclass(frozen=True)
class ImageRecord:
    """One line of `manifest.jsonl`."""

    id: str  # the original's file name without extension
    split: str  # "train" or "test"
    source: str  # "sample", "folder", "drive" or "mirror"
    sha256: str  # of the original's bytes, hexadecimal
    width: int  # of the original, upright, pixels
    height: int

    def __post_init__(self) -> None:
        words = (self.id, self.split, self.source, self.sha256)
        if not all(isinstance(word, str) for word in words) or self.split not in ("train", "test"):
            raise TypeError(f"{self.id!r} is no image")


def split_of(image_id: str) -> str:
    """Side of the 8:2 split, "train" or "test", decided by nothing but the id.

    A hash in place of a shuffled list: an image never changes sides, whatever else is added.
    """
    return "test" if hash_of(image_id) % 10 >= 8 else "train"


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
    except (ValueError, TypeError, RecursionError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> DamagedRecordError:
    return DamagedRecordError(
        f"{path} is damaged; run `make clean-pairs`, then `make dataset` makes it again"
    )


def write_lines(path: Path, objects: Iterable[Mapping]) -> None:
    """Writes a JSON-lines file atomically."""
    write_text(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in objects))


def read_manifest(path: Path) -> dict[str, ImageRecord]:
    """The images of a data folder by id; empty when there are none.

    Raises:
        DamagedRecordError: if a line does not describe an image.
    """
    try:
        return {line["id"]: ImageRecord(**line) for line in read_lines(path)}
    except (KeyError, TypeError) as error:
        raise _damaged(path) from error


def write_manifest(path: Path, images: Mapping[str, ImageRecord]) -> None:
    """Writes the images in the order of their ids, so that equal content is equal bytes."""
    write_lines(path, (asdict(images[image_id]) for image_id in sorted(images)))
