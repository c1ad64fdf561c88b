"""The photographs that the page works on.

Uploads are files of strangers: bounded before they are read, kept in a folder that goes with the
server, decoded by the project's own reader, and never sent back but as pixels encoded anew.
"""

import base64
import io
import secrets
import shutil
import threading
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from PIL import Image

from prepare.photographs.photograph import UnusablePhotograph, rounded_to_8_bits
from prepare.photographs.reader import DATASET_PIXELS, read_photograph
from train.studio import RefusedError

MOST_BYTES = 1 << 28  # of an upload
MOST_UPLOADS = 100  # that are kept
SMALL_PX = 144  # longest side of a picture in the strip of them
SHOWN_PX = 1600  # longest side of a picture on the page
LONGEST_NAME = 120  # of an upload's file, bytes: its results have longer ones
LONGEST_SUFFIX = 8
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Kept:
    """A photograph that the page knows by its key."""

    key: str
    path: Path
    width: int
    height: int
    small: str  # a picture of it, as a URL

    @property
    def as_json(self) -> dict[str, Any]:
        """What the page is told of it."""
        own = {"width": self.width, "height": self.height, "small": self.small}
        return {"photo": self.key, "name": self.path.name} | own


class Photographs:
    """All that the page was given, and the pixels of the one that was looked at last."""

    def __init__(self, uploads_dir: Path) -> None:
        self.uploads_dir = uploads_dir
        self.kept: dict[str, Kept] = {}
        self.lock = threading.Lock()
        self.last: tuple[Path, np.ndarray] | None = None

    def add_upload(self, name: str, content: BufferedIOBase, num_bytes: int) -> Kept:
        """Takes in a photograph of so many bytes.

        Raises RefusedError if it is too large or one too many, cut off, or cannot be read.
        """
        if num_bytes > MOST_BYTES or len(self.kept) >= MOST_UPLOADS:
            reason = f"the page keeps {MOST_UPLOADS} photographs of {MOST_BYTES:,} bytes each"
            raise RefusedError(413, f"{reason}; restore others with `make deblur`")
        folder = self.uploads_dir / secrets.token_hex(8)
        path = folder / safe_name(name)
        folder.mkdir()
        try:
            with path.open("wb") as file:
                while num_bytes:
                    block = content.read(min(num_bytes, BLOCK_BYTES))
                    if not block:
                        raise RefusedError(400, "the upload was cut off")
                    file.write(block)
                    num_bytes -= len(block)
            pixels = self.pixels(path)
            height, width = pixels.shape[:2]
            small = data_url(jpeg_of(pixels, SMALL_PX))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        kept = Kept(secrets.token_hex(8), path, width, height, small)
        self.kept[kept.key] = kept
        return kept

    def remove(self, key: str) -> None:
        """Forgets a photograph, and removes its upload."""
        old = self.find(key)
        del self.kept[key]
        shutil.rmtree(old.path.parent, ignore_errors=True)

    def find(self, key: str) -> Kept:
        """The photograph of a key; raises RefusedError if it is not kept, or no longer."""
        if kept := self.kept.get(key):
            return kept
        raise RefusedError(404, "this photograph is no longer kept; drop it again")

    def pixels(self, path: Path) -> np.ndarray:
        """A photograph: uint8 or uint16, (H, W, 3), RGB, sRGB encoded, upright.

        Raises RefusedError if it cannot be read.
        """
        with self.lock:  # one at a time, so that memory is bounded
            if self.last is None or self.last[0] != path:
                self.last = None
                self.last = path, read_pixels(path)
            return self.last[1]


def read_pixels(path: Path) -> np.ndarray:
    """As `Photographs.pixels`, of a file that is read anew."""
    try:
        photograph = read_photograph(path, max_pixels=DATASET_PIXELS, alpha="keep", frames="first")
    except (OSError, UnusablePhotograph) as error:
        raise cannot_be_read(path.name, error) from error
    return photograph.pixels


def made_of(path: Path, kind: str, quality: str) -> tuple[str, bytes]:
    """A result as a file of a kind: its name and content. A TIFF has all of its bits.

    Raises RefusedError for a kind or a quality that there is not.
    """
    content = path.read_bytes()
    match kind:
        case "png":
            return path.name, content
        case "tiff":
            image = pyvips.Image.new_from_buffer(content, "")
            return f"{path.stem}.tif", image.tiffsave_buffer(compression="deflate")
        case "jpeg" if quality.isdecimal() and 1 <= int(quality[:4]) <= 100:
            image = pyvips.Image.new_from_buffer(content, "")
            options = {"Q": int(quality[:4]), "subsample_mode": "off", "background": 255}
            return f"{path.stem}.jpg", image.jpegsave_buffer(**options)
    raise RefusedError(400, "a result is png, tiff, or jpeg of a quality from 1 to 100")


def cannot_be_read(name: str, error: Exception) -> RefusedError:
    """What the page is told of a photograph that its reader refuses."""
    return RefusedError(422, f"{name} cannot be read: {error}")


def safe_name(name: str) -> str:
    """A name for a file: what its user calls it, without what no system's files may be called."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    safe = Path(
        "".join(c if c.isprintable() and c not in '<>:"|?*' else "_" for c in base).strip(" .")
    )
    stem = safe.stem.encode()[:LONGEST_NAME].decode(errors="ignore")
    return (stem or "photograph") + safe.suffix[:LONGEST_SUFFIX]


def jpeg_of(pixels: np.ndarray, longest_px: int = SHOWN_PX) -> bytes:
    """A JPEG of uint8 or uint16 (H, W, 3) pixels, reduced where a side is too long for the page."""
    image = Image.fromarray(rounded_to_8_bits(pixels))
    image.thumbnail((longest_px, longest_px))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=93, subsampling=0)
    return buffer.getvalue()


def data_url(content: bytes, kind: str = "image/jpeg") -> str:
    """A picture as a URL that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
