"""Makes the pictures of one original, in memory: all that takes time, and nothing that is shared.

It runs in worker processes. What the data folder holds and is told of them is for `pairs` to say.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from prepare.blur.lens_blur import blur_and_reduce, reduce_photo
from prepare.originals import Original
from prepare.photograph import encode_jpeg, read_depth_map, read_u8, square_crop
from prepare.photographs.photograph import UnusablePhotograph
from prepare.records.data_folder import ImageRecord, split_of
from prepare.records.files import sha256_of
from prepare.sets import SetSettings


@dataclass(frozen=True)
class Pictures:
    """What is made of one original."""

    image: ImageRecord
    sharp: bytes | None  # a JPEG file; None where the one that is there stays
    blurred: list[bytes]  # one a set


def make_pictures(
    original: Original, sets: SetSettings, depth_path: Path | None, keep_sharp: bool
) -> Pictures:
    """The pictures of one original; the same on every call, on any number of workers.

    Args:
        original: to be put in place first, where its source says so.
        sets: the blurred sets.
        depth_path: its depth map, if there is one.
        keep_sharp: leaves out the sharp half.

    Raises:
        UnusablePhotograph: with the reason.
        OSError: if the original is to be put in place, and cannot be written.
    """
    cv2.setNumThreads(1)  # the parallelism is over images
    size, quality = sets.output.size, sets.output.quality
    image, photo = _read_original(original, size)
    depth = None
    if sets.depth_dir:
        if depth_path is None:
            raise UnusablePhotograph(f"has no depth map in {sets.depth_dir}")
        depth = square_crop(read_depth_map(depth_path))
    blurred = blur_and_reduce(photo, sets.blurs, size, image.id, depth)
    sharp = None if keep_sharp else encode_jpeg(reduce_photo(photo, size), quality)
    return Pictures(image, sharp, [encode_jpeg(picture, quality) for picture in blurred])


def _read_original(original: Original, size: int) -> tuple[ImageRecord, np.ndarray]:
    """An original's line of the manifest, and its central square."""
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
    split = split_of(original.id)
    image = ImageRecord(original.id, split, original.source, sha256, width, height)
    return image, square_crop(photo)
