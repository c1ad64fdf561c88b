"""FFHQ on disk, in NVIDIA's layout: the user's own copy, and files that this project downloaded.

A copy is used in place. A downloaded file is checked once, and its size and time are written to
checked.jsonl. While they stay the same, the file is trusted.
"""

import contextlib
import functools
import hashlib
import io
import os
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from PIL import Image

from prepare import PrepareError
from prepare.ffhq.download import IntegrityError
from prepare.ffhq.metadata import EXTENSIONS, NUM_FFHQ_IMAGES, Entry, wanted_ids
from prepare.originals import Original
from prepare.records.files import NotRegularError, open_regular
from prepare.records.jsonl import JsonLines

SIDE_PX = 1024
MAX_IMAGE_BYTES = 16 << 20  # uncompressed, with 16 bits and alpha, it has 8 MiB
FORMATS = {".png": "PNG", ".webp": "WEBP", ".jpg": "JPEG"}
# What Pillow raises on damaged files.
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


def images_folder(folder: Path) -> Path:
    """The folder of 00000, 01000, ... in a copy: itself, or its images1024x1024."""
    return folder / "images1024x1024" if (folder / "images1024x1024").is_dir() else folder


def is_ffhq_copy(folder: Path) -> bool:
    """Whether a folder, or its images1024x1024, has photographs in NVIDIA's 00000, 01000, ..."""
    found = images_folder(folder).glob("[0-9][0-9]000/[0-9][0-9][0-9][0-9][0-9].*")
    return any(path.suffix in EXTENSIONS for path in found)


def ffhq_copy_originals(
    folder: Path, num_images: int, ids: str | None = None, done_ids: Collection[str] = ()
) -> Iterator[Original]:
    """The first `num_images` photographs of a copy, or of the chosen ids in it, where they lie.

    PrepareError after all others came, if the copy holds fewer.
    """

    @functools.cache
    def names_in(thousand: str) -> frozenset[str]:
        return frozenset(os.listdir(thousand) if os.path.isdir(thousand) else ())

    root, num_found = images_folder(folder), 0
    # Without chosen ids a copy with gaps is good for as many as it holds.
    wanted = wanted_ids(ids, NUM_FFHQ_IMAGES if ids is None else num_images)
    for image_id in wanted:
        thousand = f"{root}/{image_id[:2]}000"
        files = [f"{image_id}{extension}" for extension in EXTENSIONS]
        if found := next(filter(names_in(thousand).__contains__, files), None):
            num_found += 1
            if image_id not in done_ids:
                yield Original(image_id, Path(thousand, found), "folder")
        if num_found == num_images:
            return
    num_wanted = num_images if ids is None else len(wanted)
    if num_found < num_wanted:
        raise PrepareError(
            f"{folder} holds {num_found} of the {num_wanted} images asked for; ask "
            f"for N={num_found}, or fetch the others with SOURCE=ffhq"
        )


def image_file(image_id: str, extension: str) -> str:
    """The path of an image below the FFHQ folder, in NVIDIA's layout."""
    return f"images1024x1024/{image_id[:2]}000/{image_id}{extension}"


def check_image(name: str, data: bytes, extension: str, md5: str | None = None) -> str:
    """MD5 of the content of an image file; IntegrityError unless it is right.

    It has FFHQ's size, opens, and has the MD5 that is given.
    """
    if len(data) > MAX_IMAGE_BYTES:
        raise IntegrityError(name, f"has more than {MAX_IMAGE_BYTES} bytes")
    got = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if md5 is not None and got != md5:
        raise IntegrityError(name, f"MD5 is {got[:6]}.., expected {md5[:6]}..")
    try:
        with Image.open(io.BytesIO(data), formats=[FORMATS[extension]]) as image:
            width_px, height_px = image.size
            if (width_px, height_px) != (SIDE_PX, SIDE_PX):
                raise IntegrityError(name, f"is {width_px}x{height_px}, expected 1024x1024")
            image.load()
    except DAMAGE as error:
        raise IntegrityError(name, f"is no readable {FORMATS[extension]} image") from error
    return got


@dataclass(frozen=True)
class CheckedFile:
    """A line of checked.jsonl: a file that was right when it had this size and time."""

    id: str
    extension: Annotated[str, msgspec.Meta(pattern=r"^\.(png|webp|jpg)$")]
    bytes: int
    mtime_ns: int
    md5: str
    source: str


class VerifiedFiles:
    """The files under one FFHQ folder that were found right, recorded in checked.jsonl."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        hint = "remove it; then all images are checked again"
        self.log = JsonLines(folder / "checked.jsonl", CheckedFile, hint, skip_damaged=True)
        self.by_id = {checked.id: checked for checked in self.log.read()}

    def find(self, image_id: str) -> Original | None:
        """The image, if it was checked, and has kept its size and time since."""
        with contextlib.suppress(OSError, KeyError):
            known = self.by_id[image_id]
            path = self.folder / image_file(image_id, known.extension)
            status = path.stat()
            if (status.st_size, status.st_mtime_ns) == (known.bytes, known.mtime_ns):
                return Original(image_id, path, known.source)
        return None

    def path_for(self, image_id: str, extension: str) -> Path:
        """Where a new file goes; PrepareError if a link leads from there out of the FFHQ folder."""
        path = self.folder / image_file(image_id, extension)
        if not path.parent.resolve().is_relative_to(self.folder.resolve()):
            raise PrepareError(
                f"{path.parent} is a link out of {self.folder}, where nothing is written: "
                f"remove it, or use the copy with SOURCE=folder FROM={path.parent.resolve().parent}"
            )
        return path

    def files(self, image_id: str) -> list[Path]:
        """Files of an image that are there, right or wrong."""
        paths = (self.folder / image_file(image_id, extension) for extension in EXTENSIONS)
        return [path for path in paths if path.exists()]

    def reverify(self, image_id: str, entry: Entry | None) -> Iterator[Original]:
        """The image, if one of its files turns out right; wrong ones are removed.

        Its MD5 must be the recorded one, or that of NVIDIA's metadata in `entry`.
        """
        known = self.by_id.get(image_id)
        for path in self.files(image_id):
            md5, source = None, "mirror" if path.suffix == ".webp" else "folder"
            if known and path.suffix == known.extension:
                md5, source = known.md5, known.source
            elif entry and path.suffix == ".png":
                md5, source = entry.md5, "drive"
            try:
                with open_regular(path) as file:
                    data = file.read(MAX_IMAGE_BYTES + 1)  # it may have any length
                md5 = check_image(path.name, data, path.suffix, md5)
            except (IntegrityError, NotRegularError):
                self.path_for(image_id, path.suffix).unlink()
            else:
                yield self.record(image_id, path, source, md5)
                return

    def record(self, image_id: str, path: Path, source: str, md5: str) -> Original:
        """Notes that a file is right."""
        for extension in EXTENSIONS:  # another host's attempt at the same image
            path.with_name(f"{image_id}{extension}.part").unlink(missing_ok=True)
        size, mtime_ns = path.stat().st_size, path.stat().st_mtime_ns
        checked = CheckedFile(image_id, path.suffix, size, mtime_ns, md5, source)
        self.by_id[image_id] = checked
        self.log.append([checked])
        return Original(image_id, path, source)
