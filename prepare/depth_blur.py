"""A blur that varies with distance: the photograph in layers, each blurred by its own radius."""

import cv2
import numpy as np

from prepare.aperture import Aperture
from prepare.fused import blur_and_average

MAX_LAYERS_EACH_SIDE = 16  # of the focal distance; the radius of a layer errs by half a step
BACKDROP_WEIGHT = 0.01  # seen only where the layers leave a hole; keeps their quotient steady


def blur_by_depth(
    photo: np.ndarray,
    depth_u8: np.ndarray,
    *,
    focus: float,
    radius_px: float,
    aperture: Aperture,
    size: int,
) -> np.ndarray:
    """Blurs each pixel by its distance from the focal plane, then averages areas.

    The radius grows in proportion to the difference between a pixel's depth and the focus, up to
    `radius_px` at the end of the depth range farther from the focus. Layers of equal radius are
    laid over each other from far to near, each with the coverage that its own blur gives it, and
    the sum is divided by the total coverage: a layer takes no color from what lies before or
    behind it, so that edges in depth get neither dark nor bright halos.

    Args:
        photo: uint8 or float32, shape (H, H, 3), 255 = white.
        depth_u8: uint8, shape (H, H); 0 is near, 255 far.
        focus: depth that stays sharp, 0 to 255.
        radius_px: largest radius, in pixels of this photograph.
        aperture: shape of the PSF.
        size: side of the result in pixels.

    Returns:
        float32, shape (size, size, 3), in the units of the photograph.
    """
    step = max(1.0, radius_px / MAX_LAYERS_EACH_SIDE)
    defocus = (np.arange(256) - focus) / max(focus, 255 - focus)
    layer_of_depth = np.rint(defocus * radius_px / step).astype(np.int16)
    layer_of_pixel = layer_of_depth[depth_u8]
    [backdrop] = blur_and_average(photo, [(radius_px, aperture)], size)
    light = backdrop * BACKDROP_WEIGHT
    covered = np.full((size, size, 1), BACKDROP_WEIGHT, np.float32)
    for layer in np.unique(layer_of_pixel)[::-1]:
        inside = (layer_of_pixel == layer).astype(np.uint8)
        cut_out = cv2.copyTo(photo, inside)
        cut_out = np.dstack([cut_out, (inside * 255).astype(photo.dtype)])
        if layer == 0:
            cut_out = cut_out.astype(np.float32)  # averaged in its own type, which must not round
        [blurred] = blur_and_average(cut_out, [(abs(int(layer)) * step, aperture)], size)
        coverage = np.clip(blurred[..., 3:] / 255, 0.0, 1.0)
        light = light * (1 - coverage) + blurred[..., :3]
        covered = covered * (1 - coverage) + coverage
    return light / covered
