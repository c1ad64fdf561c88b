"""The layout of a data folder, and its records: the manifest and the rejected originals."""

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec

from prepare.records.files import hash_of
from prepare.records.jsonl import JsonLines

HINT = "run `make clean-pairs`, then `make dataset` makes it again"
MAX_NAME_BYTES = 255  # of a file's name, on nearly every file system
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # of cells that a spreadsheet would run

# Becomes the name of files: stays in their folder, and `<id>.jpg` is no longer than names can be.
ImageId = Annotated[
    str, msgspec.Meta(pattern=r"\A(?!\.{1,2}\Z)[^/\0]+\Z", max_length=MAX_NAME_BYTES - len(".jpg"))
]
Side = Annotated[int, msgspec.Meta(gt=0, lt=1 << 31)]


class Part(NamedTuple):
    """The second of eight, say."""

    number: int  # from 1
    of: int

    def __str__(self) -> str:
        return f"part-{self.number}-of-{self.of}"

    def holds(self, image_id: str) -> bool:
        """Whether an image is this part's, by a hash of its id; not the one that splits."""
        return hash_of(f"{image_id}/part") % self.of == self.number - 1


@dataclass(frozen=True)
class DataFolder:
    """A data folder, `data` by default: originals, matched pairs, and the records of both."""

    path: Path
    part: Part | None = None  # whose records are meant, where several machines make one set

    @property
    def originals(self) -> Path:
        """Holds one folder a source."""
        return self.path / "originals"

    @functools.cached_property
    def sharp(self) -> Path:
        """Holds the sharp pictures."""
        return self.path / "not_blurred_resized"

    @functools.cached_property
    def blurred(self) -> Path:
        """Holds one folder a blurred set."""
        return self.path / "blurred_resized"

    @property
    def manifest(self) -> Path:
        """Lists the images."""
        return self.path / f"manifest{self._of_part}.jsonl"

    @property
    def rejected(self) -> Path:
        """Lists the originals that could not be used."""
        return self.path / f"rejected{self._of_part}.jsonl"

    @property
    def _of_part(self) -> str:
        return f".{self.part}" if self.part else ""

    def sharp_path(self, image_id: str) -> Path:
        """The sharp picture of an image."""
        return self.sharp / f"{image_id}.jpg"

    def blurred_path(self, set_name: str, image_id: str) -> Path:
        """The blurred picture of an image in one set."""
        return self.blurred / set_name / f"{image_id}.jpg"


class ImageRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of `manifest.jsonl`."""

    id: ImageId  # the original's file name without extension
    split: Literal["train", "test"]
    source: str  # "sample", "folder", "drive" or "mirror"
    sha256: str  # of the original's bytes, hexadecimal
    width: Side  # of the original, upright, pixels
    height: Side


class Rejection(msgspec.Struct, frozen=True):
    """One line of `rejected.jsonl`."""

    id: str
    file: str
    reason: str


Rejected = dict[tuple[str, str], str]  # reasons, by id and file


def why_no_id(name: str) -> str:
    """Why the name of a file cannot be the id of an image; "" if it can."""
    try:
        num_bytes = len(f"{name}.jpg".encode())
    except UnicodeEncodeError:
        return "is not UTF-8"
    return f"is longer than {MAX_NAME_BYTES - 4} bytes" if num_bytes > MAX_NAME_BYTES else ""


def plain_cell(text: str) -> str:
    """A cell of a table; an apostrophe keeps spreadsheets from reading it as a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def split_of(image_id: str) -> Literal["train", "test"]:
    """Side of the 8:2 split, decided by nothing but the id.

    A hash in place of a shuffled list: an image never changes sides, whatever else is added.
    """
    return "test" if hash_of(image_id) % 10 >= 8 else "train"


def manifest_log(path: Path) -> JsonLines[ImageRecord]:
    """The manifest as the log that it is while pairs are made; of two lines of an id the later."""
    return JsonLines(path, ImageRecord, HINT)


def read_manifest(path: Path) -> dict[str, ImageRecord]:
    """The images of a data folder by id; empty when there are none.

    Lines added by a running or killed command count too.
    """
    return {image.id: image for image in manifest_log(path).read()}


def write_manifest(path: Path, images: Mapping[str, ImageRecord]) -> None:
    """Writes the images in the order of their ids, so that equal content is equal bytes."""
    manifest_log(path).rewrite(images[image_id] for image_id in sorted(images))


def rejected_key(image_id: str, path: Path) -> tuple[str, str]:
    """What an original is listed by: its id and file, with each byte that is no UTF-8 as \\xfc."""
    names = os.fsencode(image_id), os.fsencode(os.path.realpath(path))
    shown_id, file = (name.decode("utf-8", "backslashreplace") for name in names)
    return shown_id, file


def read_rejected(path: Path) -> Rejected:
    """The reasons of a data folder; empty when there are none."""
    lines = JsonLines(path, Rejection, HINT).read()
    return {(line.id, line.file): line.reason for line in lines}


def write_rejected(path: Path, rejected: Rejected) -> None:
    """Writes the reasons in the order of the files, so that equal content is equal bytes."""
    keys = sorted(rejected, key=lambda key: (key[1], key[0]))
    JsonLines(path, Rejection, HINT).rewrite(Rejection(*key, rejected[key]) for key in keys)
