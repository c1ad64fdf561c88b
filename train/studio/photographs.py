"""The photographs that the page works on: uploads, and originals of the data folder.

Uploads are files of strangers: bounded before they are read, kept in a folder that goes with the
server, decoded by the project's own reader, and never sent back but as pixels encoded anew.
"""

import base64
import io
import secrets
import shutil
import threading
from dataclasses import dataclass
from http import HTTPStatus
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from PIL import Image

from prepare.photographs.listing import photographs_in
from prepare.photographs.photograph import UnusablePhotograph, rounded_to_8_bits
from prepare.photographs.reader import DATASET_PIXELS, read_photograph
from train.studio import Refused

MOST_BYTES = 1 << 28  # of an upload
MOST_UPLOADS = 8  # that are kept; the oldest goes
MOST_NAMED = 300  # originals that the page offers by name
SHOWN_PX = 1600  # longest side of a picture on the page
LONGEST_NAME = 120  # of an upload's file, characters
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Kept:
    """A photograph that the page knows by its key."""

    key: str
    path: Path
    width: int
    height: int

    @property
    def told(self) -> dict[str, object]:
        """What the page is told of it."""
        return {
            "photo": self.key,
            "name": self.path.name,
            "width": self.width,
            "height": self.height,
        }


class Photographs:
    """All that the page was given, and the pixels of the one that was looked at last."""

    def __init__(self, uploads_dir: Path, originals_dir: Path) -> None:
        self.uploads_dir, self.originals_dir = uploads_dir, originals_dir
        self.kept: dict[str, Kept] = {}
        self.lock = threading.Lock()
        self.last: tuple[Path, np.ndarray] | None = None

    def add_upload(self, name: str, content: BufferedIOBase, num_bytes: int) -> Kept:
        """Takes a photograph in.

        Args:
            name: of the file, as its user calls it.
            content: gives its bytes.
            num_bytes: how many these are.

        Raises:
            Refused: if it is too large, cut off, or cannot be read as a photograph.
        """
        if num_bytes > MOST_BYTES:
            raise Refused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"{num_bytes:,} bytes, more than {MOST_BYTES:,}; restore it with `make deblur`",
            )
        key = secrets.token_hex(8)
        path = self.uploads_dir / key / safe_name(name)
        path.parent.mkdir()
        try:
            _write(path, content, num_bytes)
            return self._keep(key, path)
        except BaseException:
            shutil.rmtree(path.parent, ignore_errors=True)
            raise

    def add_original(self, image_id: str) -> Kept:
        """Takes an original of the data folder.

        Raises:
            Refused: if there is none of this id, or it cannot be read.
        """
        found = [path for path in self._originals() if path.stem == image_id]
        if not found:
            raise Refused(HTTPStatus.NOT_FOUND, f"no original is called {image_id}")
        return self._keep(f"original-{secrets.token_hex(8)}", found[0])

    def named_originals(self) -> list[str]:
        """Ids of the first originals of the data folder."""
        return [path.stem for path in self._originals()[:MOST_NAMED]]

    def _originals(self) -> list[Path]:
        is_there = self.originals_dir.is_dir()
        return photographs_in(self.originals_dir, recursive=True) if is_there else []

    def _keep(self, key: str, path: Path) -> Kept:
        height, width = self.pixels(path).shape[:2]
        with self.lock:
            self.kept[key] = Kept(key, path, width, height)
            old = [
                each for each in self.kept.values() if each.path.parent.parent == self.uploads_dir
            ]
            for each in old[:-MOST_UPLOADS]:
                del self.kept[each.key]
                shutil.rmtree(each.path.parent, ignore_errors=True)
            return self.kept[key]

    def find(self, key: object) -> Kept:
        """The photograph of a key.

        Raises:
            Refused: if it is not kept, or no longer.
        """
        kept = self.kept.get(key) if isinstance(key, str) else None
        if kept is None:
            raise Refused(HTTPStatus.NOT_FOUND, "this photograph is no longer kept; drop it again")
        return kept

    def find_upload(self, key: object) -> Kept:
        """The same of an upload alone.

        Raises:
            Refused: also if it is an original of the data folder.
        """
        kept = self.find(key)
        if kept.path.parent.parent != self.uploads_dir:
            raise Refused(HTTPStatus.BAD_REQUEST, "originals are sharp; drop a photograph")
        return kept

    def pixels(self, path: Path) -> np.ndarray:
        """A photograph: uint8 or uint16, (H, W, 3), RGB, sRGB encoded, upright.

        Raises:
            Refused: if it cannot be read.
        """
        with self.lock:  # one at a time, so that memory is bounded
            if self.last is None or self.last[0] != path:
                self.last = None
                self.last = path, _read(path)
            return self.last[1]


def shown_file(path: Path) -> bytes:
    """The same as `shown` of a file; raises Refused if it cannot be read."""
    return shown(_read(path))


def _read(path: Path) -> np.ndarray:
    try:
        photograph = read_photograph(path, max_pixels=DATASET_PIXELS, alpha="keep", frames="first")
    except (OSError, UnusablePhotograph) as error:
        raise cannot_be_read(path.name, error) from error
    return photograph.pixels


def cannot_be_read(name: str, error: Exception) -> Refused:
    """What the page is told of a photograph that its reader refuses."""
    return Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name} cannot be read: {error}")


def safe_name(name: str) -> str:
    """A name for a file: letters, digits and ` ._-()` of what its user calls it."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(c if c.isalnum() or c in " ._-()" else "_" for c in base).strip(" .")
    stem, dot, ending = kept.rpartition(".")
    stem, ending = (stem, ending[:8]) if dot else (kept, "")
    return (stem[:LONGEST_NAME].encode()[:LONGEST_NAME].decode(errors="ignore") or "photograph") + (
        f".{ending}" if ending else ""
    )


def shown(pixels: np.ndarray, longest_px: int = SHOWN_PX) -> bytes:
    """A JPEG of uint8 or uint16 (H, W, 3) pixels, reduced where a side is longer."""
    image = Image.fromarray(rounded_to_8_bits(pixels))
    image.thumbnail((longest_px, longest_px))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=93, subsampling=0)
    return buffer.getvalue()


def data_url(content: bytes, kind: str = "image/jpeg") -> str:
    """A picture as a URL that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _write(path: Path, content: BufferedIOBase, num_bytes: int) -> None:
    with path.open("wb") as file:
        while num_bytes:
            block = content.read(min(num_bytes, BLOCK_BYTES))
            if not block:
                raise Refused(HTTPStatus.BAD_REQUEST, "the upload was cut off")
            file.write(block)
            num_bytes -= len(block)
