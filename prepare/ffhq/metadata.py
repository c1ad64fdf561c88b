"""What FFHQ is: its ids, its licenses, and its metadata, read as a stream.

The metadata is one JSON object of 268 MB, keyed "0".."69999" in order. Only its beginning is
fetched, as far as the wanted ids need it, and kept as ffhq-dataset-v2.json.part; a larger wish goes
on from there.
"""

import csv
import io
import itertools
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

from prepare.ffhq.download import fetch_blocks, open_part
from prepare.ffhq.entries import json_entries
from prepare.ffhq.google_drive import open_drive_file
from prepare.ffhq.request import Client, DownloadError
from prepare.ffhq.settings import NUM_FFHQ_IMAGES
from prepare.ffhq.verified_files import Expected, is_ffhq_id
from prepare.records.files import named_errors, write_text
from prepare.records.json_file import damaged, read_record
from prepare.records.settings import require

METADATA_DRIVE_ID = "16N0RV4fHI6joBuKbQAoG34V_cQk7vxSA"
MAX_IDS_BYTES = 1 << 24  # of a file of ids
METADATA_BYTES_PER_ENTRY = 4_000  # 267,793,842 bytes / 70,000 entries, and a little more
_PIECE_BYTES = 1 << 18  # asked for when the estimate was too short

FACIAL_RECOGNITION_NOTICE = (
    "FFHQ is CC BY-NC-SA 4.0 (NVIDIA), and each photograph keeps the license of its author "
    "(LICENSES.csv); it is not to be used for developing or improving facial recognition."
)


FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class License:
    """Whose photograph an image is."""

    id: str
    author: str
    license: str
    license_url: str
    photo_url: str
    photo_title: str


@dataclass(frozen=True)
class Entry:
    """What the metadata says of one image."""

    file_id: str  # on Google Drive
    expected: Expected
    license: License


def wanted_ids(ids: str | None, num_images: int) -> list[str]:
    """The first `num_images` of the chosen ids, without doubles, in the order given.

    Args:
        ids: None for all, else "60000-60999", "7,42,100-199", or a path to a file of such words.

    Raises:
        SettingError: if it is neither, or an id is out of range.
        DamagedRecordError: if the file is no text, or too long.
        OSError: if the file cannot be read.
    """
    if ids is None:
        return [f"{number:05d}" for number in range(min(num_images, NUM_FFHQ_IMAGES))]
    is_list = re.fullmatch(r"[\d,\s-]+", ids) is not None
    expected = "a list like 7,60000-60999 or a file of ids"
    require(is_list or Path(ids).is_file(), "ids", expected, repr(ids))
    text = ids if is_list else read_record(Path(ids), "name a file of ids", MAX_IDS_BYTES) or ""
    chosen: dict[str, None] = {}
    for word in text.replace(",", " ").split():
        match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?(?:\.png)?", word)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        is_right = first <= last < NUM_FFHQ_IMAGES
        require(is_right, "ids", "ids or ranges of ids between 0 and 69999", f"{word[:40]!r}")
        chosen.update((f"{number:05d}", None) for number in range(first, last + 1))
    return list(itertools.islice(chosen, num_images))


def fetch_entries(
    client: Client, url: str, folder: Path, wanted: Collection[str], report: Callable[[str], None]
) -> dict[str, Entry]:
    """Entries of the wanted ids: from the metadata at hand and, where that ends, the network.

    Raises:
        DownloadError: if nothing can be had, or what comes is no JSON.
        OSError: if the disk is full; names the file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whole, part = folder / "ffhq-dataset-v2.json", folder / "ffhq-dataset-v2.json.part"
    last = max(map(int, wanted))
    entries: dict[str, Entry] = {}

    def fetch(start: int, end: int) -> Iterator[bytes]:
        if whole.is_file():
            return iter(())
        return fetch_blocks(client, url, start=start, end=end, open_body=open_drive_file)

    opened = whole.open("rb") if whole.is_file() else open_part(part)
    with named_errors(Path(opened.name)), opened as file:
        reader = _GrowingFile(file, fetch, (last + 1) * METADATA_BYTES_PER_ENTRY)
        try:
            for key, value in json_entries(reader.read):
                image_id = key.zfill(5)
                if image_id in wanted and is_ffhq_id(image_id):
                    entry = _entry(image_id, value)
                    if entry is not None:
                        entries[image_id] = entry
                if key == str(last):
                    break
        except ValueError as error:
            if not reader.is_at_end:
                part.unlink(missing_ok=True)  # what was fetched, never what somebody put there
                raise DownloadError(url, "the metadata is no JSON") from error
            report(
                f"FFHQ's metadata ends in the middle: {len(entries)} of {len(wanted)} entries read"
            )
        except DownloadError as error:
            if not entries:
                raise
            report(f"FFHQ's metadata: {error.reason}; {len(entries)} of {len(wanted)} entries read")
    return entries


class _GrowingFile:
    """The metadata at hand; when the reader comes to its end, more is fetched and added."""

    def __init__(self, file: BinaryIO, fetch: Callable[..., Iterator[bytes]], num_bytes: int):
        self.file, self.fetch, self.num_bytes = file, fetch, num_bytes
        self.is_at_end = False
        self.error: DownloadError | None = None
        file.seek(0)

    def read(self, num_bytes: int) -> bytes:
        """The next bytes, fetched when there are no more at hand."""
        block = self.file.read(num_bytes)
        if not block and num_bytes and not self.is_at_end:
            self._grow()
            block = self.file.read(num_bytes)
            self.is_at_end = not block
        if self.is_at_end and self.error:
            raise self.error
        return block

    def _grow(self) -> None:
        """Fetches up to the estimate, or one piece; what comes before an error is kept."""
        start = self.file.seek(0, os.SEEK_END)
        try:
            for block in self.fetch(start, max(self.num_bytes, start + _PIECE_BYTES)):
                self.file.write(block)
        except DownloadError as error:
            self.error = error
        self.file.seek(start)


def _entry(image_id: str, value: Any) -> Entry | None:
    """An entry of the metadata, or None if it is not as NVIDIA writes them."""
    try:
        image, metadata = value["image"], value["metadata"]
        [file_id] = re.findall(r"[?&]id=([\w-]+)", image["file_url"])[:1]
        expected = Expected(
            num_bytes=int(image["file_size"]),
            md5=str(image["file_md5"]),
            size_px=(int(image["pixel_size"][0]), int(image["pixel_size"][1])),
            pixel_md5=str(image["pixel_md5"]),
        )
        words = ("author", "license", "license_url", "photo_url", "photo_title")
        license = License(image_id, *(str(metadata.get(word, "")) for word in words))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError):
        return None
    return Entry(file_id, expected, license)


def write_licenses(path: Path, entries: Iterable[Entry]) -> None:
    """Adds the licenses of `entries` to a CSV file, sorted by id; it is replaced as a whole.

    What a spreadsheet would take for a formula begins with an apostrophe.

    Raises:
        DamagedRecordError: if the file that is there is no such table.
    """
    names = [field.name for field in fields(License)]
    way_out = "move it away; the next download writes another"
    text = read_record(path, way_out) or ""
    try:
        lines = csv.reader(io.StringIO(text, newline=""))
        rows = {row[0]: row for row in lines if len(row) == len(names)}
    except csv.Error as error:
        raise damaged(path, way_out) from error
    before = dict(rows)
    rows = {image_id: _plain_cells(row) for image_id, row in rows.items()}
    rows.pop("id", None)
    rows |= {entry.license.id: _plain_cells(astuple(entry.license)) for entry in entries}
    if {"id": names} | rows == before:
        return
    table = io.StringIO(newline="")
    csv.writer(table).writerows([names, *(rows[image_id] for image_id in sorted(rows))])
    write_text(path, table.getvalue())


def _plain_cells(row: Iterable[str]) -> list[str]:
    """Cells that no spreadsheet takes for a formula."""
    return [f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell for cell in row]
