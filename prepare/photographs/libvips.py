"""Decodes by libvips: one picture at a time, in one thread, without its cache.

Each loader is called by its name, so that a file never chooses one.
"""

import threading
from typing import Any

import pyvips

from prepare.photographs.photograph import Decoded, UnusablePhotograph, check_size

pyvips.cache_set_max(0)
pyvips.vips_lib.vips_concurrency_set(1)  # the parallelism is over photographs
FIELDS = ("icc-profile-data", "exif-data", "xmp-data", "n-pages", "resolution-unit")
COLOR_SPACES = ("b-w", "grey16", "srgb", "rgb16", "cmyk")
# libvips keeps the reason of a failure in one place for all threads.
one_at_a_time = threading.Lock()


class DamagedPixelsError(UnusablePhotograph):
    """libvips, or a library behind it, cannot decode the file; the message is its reason."""


def load(
    loader: str, data: bytes, max_pixels: int, fail_on: str = "warning", **options: Any
) -> Decoded:
    """The first picture in a file of a known kind, and what else the file holds.

    Args:
        loader: what libvips calls the kind.
        data: the file.
        max_pixels: more are refused by the header.
        fail_on: "none", "truncated", "error" or "warning", as in libvips.
        options: of the loader.

    Raises:
        DamagedPixelsError: if it is damaged or cut off.
        UnusablePhotograph: if it has too many pixels, or pixels of another kind.
    """
    with one_at_a_time:
        try:
            load_buffer = getattr(pyvips.Image, f"{loader}load_buffer")
            image = load_buffer(data, access="sequential", fail_on=fail_on, **options)
            check_size(image.width, image.height, max_pixels)
            if image.format not in ("uchar", "ushort") or image.interpretation not in COLOR_SPACES:
                kind = f"{image.format} {image.interpretation} values"
                raise UnusablePhotograph(f"pixels of {kind} are not supported")
            pixels = image.numpy().reshape(image.height, image.width, image.bands)
            values = {name: image.get(name) for name in FIELDS if image.get_typeof(name)}
        except pyvips.Error as error:
            lines = dict.fromkeys(error.detail.split("\n"))  # each comes several times
            reason = " ".join(" ".join(lines).split())[:200]
            what = "not supported" if "support" in reason else "damaged or cut off"
            raise DamagedPixelsError(f"{what} ({reason})") from error
        finally:
            pyvips.vips_lib.vips_error_clear()
    num_colors = 4 if image.interpretation == "cmyk" else 3 if image.bands > 2 else 1
    return Decoded(
        pixels[..., :num_colors] if num_colors > 1 else pixels[..., 0],
        pixels[..., num_colors] if image.bands > num_colors else None,
        values.get("icc-profile-data"),
        exif=values.get("exif-data"),
        dpi=(image.xres * 25.4, image.yres * 25.4) if "resolution-unit" in values else None,
        frames=values.get("n-pages", 1),
        dropped=["XMP"] if "xmp-data" in values else [],
    )
