"""One photograph blurred as a set would have it, at once: for a page whose sliders move."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from prepare.blur.lens_blur import blur_and_reduce, reduce_photo
from prepare.photograph import encode_jpeg, read_u8, square_crop
from prepare.records.blur import WIDTH_OF_RADIUS, LensBlur

QUALITY = 95  # of the JPEG


def preview(path: Path, blur: LensBlur, size: int, image_id: str) -> bytes:
    """The blurred half of a photograph's pair, before it is compressed as the set says.

    Of a photograph of up to 1024 pixels it is that of `make blur`, to the grain; a larger one is
    reduced before it is blurred, so that the time does not depend on it.

    Args:
        path: file of the photograph.
        blur: settings without spreads.
        size: side of the result, pixels; that of the photograph where it is smaller.
        image_id: id of the image, from which the grain is drawn.

    Returns:
        a JPEG file.

    Raises:
        UnusablePhotograph: for the reasons of `read_photograph`.
        OSError: if the file cannot be opened.
    """
    photo = _square(path, path.stat().st_mtime_ns)
    blurred = blur_and_reduce(photo, [blur], min(size, len(photo)), image_id)
    return encode_jpeg(blurred[0], QUALITY)


@lru_cache(maxsize=4)
def _square(path: Path, _changed_ns: int) -> np.ndarray:
    """uint8, (H, H, 3), RGB, H up to 1024: the middle of a photograph."""
    photo = np.ascontiguousarray(square_crop(read_u8(path)))
    return reduce_photo(photo, WIDTH_OF_RADIUS) if len(photo) > WIDTH_OF_RADIUS else photo
