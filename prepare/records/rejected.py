"""The record of the originals that could not be used, `rejected.jsonl`: which file, and why."""

import os
from pathlib import Path

from prepare.records.json_file import damaged
from prepare.records.manifest import WAY_OUT, read_lines, write_lines

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
