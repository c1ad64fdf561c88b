"""Other ways to blur a photograph by a disc and reduce it."""

from collections.abc import Callable
from contextlib import suppress

import cv2
import numpy as np

from prepare.records.blur import Aperture
from prepare.records.psf import aperture_psf

Peer = Callable[[np.ndarray, int, int], object]


def opencv(photo_u8: np.ndarray, radius_px: int, size: int) -> np.ndarray:
    """cv2.filter2D at full resolution, then INTER_AREA."""
    psf = aperture_psf(radius_px, Aperture())
    blurred = cv2.filter2D(photo_u8, -1, psf, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(blurred, (size, size), interpolation=cv2.INTER_AREA)


def albumentations_peer() -> Peer:
    """Defocus, then INTER_AREA."""
    import albumentations

    def blur(photo_u8: np.ndarray, radius_px: int, size: int) -> np.ndarray:
        defocus = albumentations.Defocus((radius_px, radius_px), (0.1, 0.1), p=1.0)
        blurred = defocus(image=photo_u8)["image"]
        return cv2.resize(blurred, (size, size), interpolation=cv2.INTER_AREA)

    return blur


def pyvips_peer() -> Peer:
    """Convolution by an integer mask, libvips' fast way, then shrink."""
    import pyvips

    with suppress(AttributeError):
        pyvips.cache_set_max(0)

    def blur(photo_u8: np.ndarray, radius_px: int, size: int) -> np.ndarray:
        psf = aperture_psf(radius_px, Aperture())
        weights = np.rint(psf / psf.max() * 100)
        mask = pyvips.Image.new_from_array(weights.tolist(), scale=float(weights.sum()))
        height = photo_u8.shape[0]
        image = pyvips.Image.new_from_memory(photo_u8.tobytes(), height, height, 3, "uchar")
        blurred = image.conv(mask, precision="integer")
        return blurred.shrink(height / size, height / size).write_to_memory()

    return blur


def imagemagick_peer() -> Peer:
    """The convolve method of -morphology, then -scale, through wand."""
    from wand.image import Image

    def blur(photo_u8: np.ndarray, radius_px: int, size: int) -> list[int]:
        with Image.from_array(photo_u8, storage="char") as image:
            image.virtual_pixel = "edge"
            image.morphology("convolve", f"disk:{radius_px}")
            image.scale(size, size)
            return image.export_pixels(channel_map="RGB", storage="char")

    return blur


def peers() -> tuple[dict[str, Peer], dict[str, str]]:
    """Peers that run here by name, and the reason for each that does not."""
    available: dict[str, Peer] = {"OpenCV": opencv}
    missing = {}
    builders = {
        "albumentations": albumentations_peer,
        "pyvips": pyvips_peer,
        "ImageMagick": imagemagick_peer,
    }
    for name, build in builders.items():
        peer, reason = _built(build)
        if peer is None:
            missing[name] = reason
        else:
            available[name] = peer
    return available, missing


def _built(build: Callable[[], Peer]) -> tuple[Peer | None, str]:
    """The peer, or None and why it does not run here."""
    try:
        return build(), ""
    except (ImportError, OSError) as error:
        return None, str(error).splitlines()[0]
