"""The record of a data folder: which images it holds, their side of the split, and their origin."""

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from prepare.records.files import hash_of, write_text
from prepare.records.journal import changes_of, journal_path, read_journal
from prepare.records.json_file import damaged, lines_of, parse_json, read_record
from prepare.records.names import check_id

WAY_OUT = "run `make clean-pairs`, then `make dataset` makes it again"
MAX_SIDE_PX = 1 << 31
FORGOTTEN = "forgotten"  # key of a journal's line


@dataclass(frozen=True)
class ImageRecord:
    """One line of `manifest.jsonl`; ValueError if it can be none."""

    id: str  # the original's file name without extension
    split: str  # "train" or "test"
    source: str  # "sample", "folder", "drive" or "mirror"
    sha256: str  # of the original's bytes, hexadecimal
    width: int  # of the original, upright, pixels
    height: int

    def __post_init__(self) -> None:
        check_id(self.id)
        kinds = (type(self.source), type(self.sha256), type(self.width), type(self.height))
        if (
            kinds != (str, str, int, int)
            or self.split not in ("train", "test")
            or not 0 < self.width < MAX_SIDE_PX
            or not 0 < self.height < MAX_SIDE_PX
        ):
            raise ValueError(f"{self.id!r} is no image")


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
    try:
        return [dict(parse_json(line)) for line in lines_of(read_record(path, WAY_OUT) or "")]
    except (ValueError, TypeError) as error:
        raise damaged(path, WAY_OUT) from error


def write_lines(path: Path, objects: Iterable[Mapping]) -> None:
    """Writes a JSON-lines file atomically."""
    write_text(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in objects))


def read_manifest(path: Path) -> dict[str, ImageRecord]:
    """The images of a data folder by id; empty when there are none.

    What a command at work, or one that was killed, has added in the journal counts as well.

    Raises:
        DamagedRecordError: if a line does not describe an image.
    """
    journal = read_journal(path, WAY_OUT)
    text = read_record(path, WAY_OUT) or ""
    images: dict[str, ImageRecord] = {}
    try:
        for line in map(parse_json, lines_of(text)):
            images[line["id"]] = ImageRecord(**line)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, WAY_OUT) from error
    with contextlib.suppress(KeyError, TypeError, ValueError):  # a torn line; it is the last
        for change in changes_of(journal, text):
            if FORGOTTEN in change:
                images.pop(change[FORGOTTEN], None)
            else:
                images[change["id"]] = ImageRecord(**change)
    return images


def forgotten(image_id: str) -> dict[str, str]:
    """The line of a manifest's journal that takes an image out of it."""
    return {FORGOTTEN: image_id}


def write_manifest(path: Path, images: Mapping[str, ImageRecord]) -> None:
    """Writes the images in the order of their ids, so that equal content is equal bytes.

    The journal of the manifest before is removed, whose changes the images hold.
    """
    write_lines(path, (asdict(images[image_id]) for image_id in sorted(images)))
    journal_path(path).unlink(missing_ok=True)


Rejected = dict[tuple[str, str], str]  # reasons, by id and file


def rejected_key(image_id: str, path: Path) -> tuple[str, str]:
    """What an original is listed by, whatever bytes its name is made of: id and file."""
    file = os.fsencode(os.path.realpath(path))
    return _shown(os.fsencode(image_id)), _shown(file)


def read_rejected(path: Path) -> Rejected:
    """The reasons of a data folder; empty when there are none.

    Raises:
        DamagedRecordError: if a line is something else.
    """
    lines = read_lines(path)
    words = ("id", "file", "reason")
    if not all(isinstance(line.get(word), str) for line in lines for word in words):
        raise damaged(path, WAY_OUT)
    return {(line["id"], line["file"]): line["reason"] for line in lines}


def write_rejected(path: Path, rejected: Rejected) -> None:
    """Writes the reasons in the order of the files, so that equal content is equal bytes."""
    keys = sorted(rejected, key=lambda key: (key[1], key[0]))
    write_lines(path, ({"id": i, "file": file, "reason": rejected[i, file]} for i, file in keys))


def _shown(name: bytes) -> str:
    """A name as text; a byte that is not UTF-8 as \\xfc."""
    return name.decode("utf-8", "backslashreplace")


def first_ids(images: Iterable[ImageRecord]) -> dict[str, str]:
    """The first id that has some bytes, by their SHA-256."""
    first: dict[str, str] = {}
    for image in sorted(images, key=lambda image: image.id):
        first.setdefault(image.sha256, image.id)
    return first


def doubled_ids(images: Mapping[str, ImageRecord]) -> dict[str, str]:
    """Images whose bytes an earlier id has on the other side of the split, and that id."""
    first = first_ids(images.values())
    firsts = {image.id: first[image.sha256] for image in images.values()}
    return {i: firsts[i] for i in sorted(images) if images[firsts[i]].split != images[i].split}


def warning_of_doubles(manifest_path: Path) -> str | None:
    """One line on the doubles that an earlier version left in a data folder; None without any.

    Raises:
        DamagedRecordError: if the manifest cannot be read.
    """
    doubles = doubled_ids(read_manifest(manifest_path))
    if not doubles:
        return None
    shown = ", ".join(f"{image_id} is {first_id}" for image_id, first_id in doubles.items())
    return (
        f"warning: {manifest_path} has {len(doubles)} of its photographs on both sides of the "
        f"split ({shown:.100}), so that some test images are learned from; `make dataset` takes "
        "them out"
    )
