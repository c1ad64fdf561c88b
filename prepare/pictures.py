"""Makes the pictures of one original in memory: the slow part, without anything shared.

It runs in worker processes. Only `pairs` reads and writes the data folder.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from prepare.blur.lens_blur import blur_and_reduce, encode_jpeg, reduce_photo
from prepare.originals import Original
from prepare.photographs.photograph import UnusablePhotograph, rounded_to_8_bits
from prepare.photographs.reader import read_photograph
from prepare.records.blur import WIDTH_OF_RADIUS, LensBlur, SetSettings
from prepare.records.data_folder import ImageRecord, split_of
from prepare.records.files import sha256_of

PREVIEW_QUALITY = 95  # of the JPEG


@dataclass(frozen=True)
class Pictures:
    """The pictures made from one original."""

    image: ImageRecord
    sharp: bytes | None  # a JPEG file; None where the one that is there stays
    blurred: list[bytes]  # one a set


def make_pictures(
    original: Original, sets: SetSettings, depth_path: Path | None, keep_sharp: bool
) -> Pictures:
    """The pictures of one original; the same on every call, on any number of workers.

    It is put in place first, where its source says so; `keep_sharp` leaves out the sharp half.

    Raises:
        UnusablePhotograph: with the reason.
        OSError: if the original is to be put in place, and cannot be written.
    """
    cv2.setNumThreads(1)  # the parallelism is over images
    size, quality = sets.output.size, sets.output.quality
    if original.problem:
        raise UnusablePhotograph(original.problem)
    if original.materialize:
        original.materialize()
    try:
        photo = read_u8(original.path)  # first: it knows which files cannot be read
        sha256 = sha256_of(original.path)
    except OSError as error:
        raise UnusablePhotograph(f"cannot be opened ({error.strerror})") from error
    height, width = photo.shape[:2]
    if min(height, width) < size:
        raise UnusablePhotograph(
            f"is {width}x{height}, smaller than the {size}x{size} that is written"
        )
    depth = None
    if sets.depth_dir:
        if depth_path is None:
            raise UnusablePhotograph(f"has no depth map in {sets.depth_dir}")
        depth = square_crop(read_depth_map(depth_path))
        if len(depth) != min(height, width):
            raise UnusablePhotograph(f"has a depth map of another size, {depth_path}")
    image = ImageRecord(original.id, split_of(original.id), original.source, sha256, width, height)
    photo = square_crop(photo)
    blurred = blur_and_reduce(photo, sets.blurs, size, image.id, depth)
    sharp = None if keep_sharp else encode_jpeg(reduce_photo(photo, size), quality)
    return Pictures(image, sharp, [encode_jpeg(picture, quality) for picture in blurred])


def preview(path: Path, blur: LensBlur, size: int, image_id: str) -> bytes:
    """The blurred half of a photograph's pair as a JPEG file, fast enough for moving sliders.

    Of a photograph of up to 1024 pixels it is that of `make blur`, to the grain; a larger one is
    reduced before it is blurred, so that the time does not depend on it. The blur has no spreads,
    the side is `size` or that of a smaller photograph, and the id seeds the grain.
    """
    photo = square_to_preview(path, path.stat().st_mtime_ns)
    blurred = blur_and_reduce(photo, [blur], min(size, len(photo)), image_id)
    return encode_jpeg(blurred[0], PREVIEW_QUALITY)


@lru_cache(maxsize=4)
def square_to_preview(path: Path, _changed_ns: int) -> np.ndarray:
    """uint8, (H, H, 3), RGB, H up to 1024: the middle of a photograph."""
    photo = np.ascontiguousarray(square_crop(read_u8(path)))
    return reduce_photo(photo, WIDTH_OF_RADIUS) if len(photo) > WIDTH_OF_RADIUS else photo


def read_u8(path: str | Path) -> np.ndarray:
    """uint8, (H, W, 3), RGB: a photograph as it should be seen on an sRGB screen."""
    return rounded_to_8_bits(read_photograph(path).pixels)


def read_depth_map(path: str | Path) -> np.ndarray:
    """uint8, (H, W), 0 near, 255 far: a depth map, upright; raises as `read_photograph`."""
    depth = read_u8(path)
    if (depth != depth[..., :1]).any():
        raise UnusablePhotograph("a depth map must be gray; this one has colors")
    return np.ascontiguousarray(depth[..., 0])


def square_crop(photo: np.ndarray) -> np.ndarray:
    """The largest square from the middle of a photograph or depth map; not a copy."""
    height, width = photo.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return photo[top : top + side, left : left + side]
