"""What lies under data/originals/ffhq: where files go, whether they are right, what was checked.

A file is checked once, and its size and time are written to checked.jsonl; as long as they stay the
same, it is trusted.
"""

import contextlib
import hashlib
import io
import json
import re
import stat
import struct
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from prepare.ffhq.request import IntegrityError
from prepare.ffhq.settings import EXTENSIONS, NUM_FFHQ_IMAGES
from prepare.originals import Original
from prepare.records.files import named_errors
from prepare.records.json_file import lines_of, parse_json, read_record

SIDE_PX = 1024
LARGEST_IMAGE_BYTES = 64 << 20  # uncompressed, with 16 bits and alpha, it has 8 MiB
# What Pillow raises on damaged files.
_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)
_FORMATS = {".png": "PNG", ".webp": "WEBP", ".jpg": "JPEG"}


class OutsideError(OSError):
    """A file would be written outside the data folder."""


@dataclass(frozen=True)
class Expected:
    """What a file has to be; None is not checked."""

    num_bytes: int | None = None
    md5: str | None = None
    size_px: tuple[int, int] = (SIDE_PX, SIDE_PX)  # width, height
    pixel_md5: str | None = None  # of the decoded RGB bytes, row by row


@dataclass(frozen=True)
class _Checked:
    id: str
    file: str
    bytes: int
    mtime_ns: int
    md5: str
    source: str

    def __post_init__(self) -> None:
        words, numbers = (self.id, self.file, self.md5, self.source), (self.bytes, self.mtime_ns)
        if not all(isinstance(word, str) for word in words) or not all(
            type(number) is int for number in numbers
        ):
            raise TypeError(f"{self.id!r} is no record of a file")


def is_ffhq_id(name: str) -> bool:
    """Whether a name from elsewhere may become part of a path."""
    return re.fullmatch(r"[0-9]{5}", name) is not None and int(name) < NUM_FFHQ_IMAGES


def image_file(image_id: str, extension: str) -> str:
    """Where an image lies below the FFHQ folder: NVIDIA's layout, a thousand to a folder.

    Raises:
        ValueError: if the id is none of FFHQ's, or the extension none of EXTENSIONS.
    """
    if not is_ffhq_id(image_id) or extension not in EXTENSIONS:
        raise ValueError(f"{image_id!r} with {extension!r} names no image of FFHQ")
    return f"images1024x1024/{image_id[:2]}000/{image_id}{extension}"


def check_image(path: Path, expected: Expected, extension: str) -> str:
    """MD5 of an image file that is right.

    Raises:
        IntegrityError: if it is not as expected, does not open, or is not what `extension` says.
    """
    name, status = path.name.removesuffix(".part"), path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise IntegrityError(name, "is no regular file")
    _check_size(name, status.st_size, expected)  # before it is read: it may have any length
    return check_image_bytes(name, path.read_bytes(), expected, extension)


def check_image_bytes(name: str, data: bytes, expected: Expected, extension: str) -> str:
    """MD5 of the content of an image file called `name`; raises as `check_image` does."""
    _check_size(name, len(data), expected)
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if expected.md5 is not None and md5 != expected.md5:
        raise IntegrityError(name, f"MD5 is {md5[:6]}.., expected {expected.md5[:6]}..")
    try:
        with Image.open(io.BytesIO(data), formats=[_FORMATS[extension]]) as image:
            if image.size != expected.size_px:
                raise IntegrityError(
                    name, f"is {_by(image.size)}, expected {_by(expected.size_px)}"
                )
            pixels = image.convert("RGB").tobytes()
    except _UNREADABLE as error:
        raise IntegrityError(name, f"is no readable {_FORMATS[extension]} image") from error
    pixel_md5 = hashlib.md5(pixels, usedforsecurity=False).hexdigest()
    if expected.pixel_md5 is not None and pixel_md5 != expected.pixel_md5:
        raise IntegrityError(
            name, f"MD5 of the pixels is {pixel_md5[:6]}.., expected {expected.pixel_md5[:6]}.."
        )
    return md5


def _check_size(name: str, num_bytes: int, expected: Expected) -> None:
    if expected.num_bytes is not None and num_bytes != expected.num_bytes:
        raise IntegrityError(name, f"has {num_bytes} bytes, expected {expected.num_bytes}")
    if num_bytes > LARGEST_IMAGE_BYTES:
        raise IntegrityError(name, f"has {num_bytes} bytes, more than {LARGEST_IMAGE_BYTES}")


def _by(size_px: tuple[int, int]) -> str:
    return f"{size_px[0]}x{size_px[1]}"


class VerifiedFiles:
    """The files under one FFHQ folder that were found right, recorded in checked.jsonl."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._path = folder / "checked.jsonl"
        self._lock = threading.Lock()
        self._by_id = _read_checked(self._path)

    def find(self, image_id: str) -> Original | None:
        """The image, if it was checked, and has kept its size and time since."""
        known = self._by_id.get(image_id)
        if known is None:
            return None
        path = self.folder / known.file
        try:
            status = path.stat()
        except OSError:
            return None
        if (status.st_size, status.st_mtime_ns) != (known.bytes, known.mtime_ns):
            return None
        return Original(image_id, path, known.source)

    def path_for(self, image_id: str, extension: str) -> Path:
        """Where a new file of an image goes.

        Raises:
            OutsideError: if a link leads from there out of the FFHQ folder.
        """
        path = self.folder / image_file(image_id, extension)
        if not path.parent.resolve().is_relative_to(self.folder.resolve()):
            raise OutsideError(
                f"{path.parent} is a link out of {self.folder}, where nothing is written: "
                f"remove it, or use the copy with SOURCE=folder FROM={path.parent.resolve().parent}"
            )
        return path

    def files(self, image_id: str) -> list[Path]:
        """Files of an image that are there, right or wrong."""
        paths = (self.folder / image_file(image_id, extension) for extension in EXTENSIONS)
        return [path for path in paths if path.exists()]

    def reverify(self, image_id: str, expected: Expected | None) -> Original | None:
        """The image, if one of its files turns out right; wrong ones are removed.

        Args:
            expected: what NVIDIA's metadata says, where it is known.
        """
        known = self._by_id.get(image_id)
        for path in self.files(image_id):
            wanted, source = Expected(), "mirror" if path.suffix == ".webp" else "folder"
            if known is not None and path == self.folder / known.file:
                wanted, source = Expected(md5=known.md5), known.source
            elif expected is not None and path.suffix == ".png":
                wanted, source = expected, "drive"
            try:
                return self.record(image_id, path, source, check_image(path, wanted, path.suffix))
            except IntegrityError:
                self.path_for(image_id, path.suffix).unlink()
        return None

    def record(self, image_id: str, path: Path, source: str, md5: str) -> Original:
        """Notes that a file is right."""
        for extension in EXTENSIONS:  # another host's attempt at the same image
            other = self.folder / image_file(image_id, extension)
            other.with_name(other.name + ".part").unlink(missing_ok=True)
        status = path.stat()
        file = path.relative_to(self.folder).as_posix()
        checked = _Checked(image_id, file, status.st_size, status.st_mtime_ns, md5, source)
        with self._lock:
            self._by_id[image_id] = checked
            # The line break comes first: the last line may be the torn end of a killed run.
            with named_errors(self._path), self._path.open("a", encoding="utf-8") as lines:
                lines.write("\n" + json.dumps(asdict(checked)))
        return Original(image_id, path, source)


def _read_checked(path: Path) -> dict[str, _Checked]:
    by_id = {}
    text = read_record(path, "remove it: all images are checked again then", errors="replace")
    for line in lines_of(text or ""):
        with contextlib.suppress(ValueError, TypeError):  # a torn line costs one more check
            checked = _Checked(**parse_json(line))
            places = {image_file(checked.id, extension) for extension in EXTENSIONS}
            if checked.file in places:  # a path from a file is not trusted either
                by_id[checked.id] = checked
    return by_id
