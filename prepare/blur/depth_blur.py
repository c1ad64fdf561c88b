"""A blur that varies with distance: the photograph in layers, each blurred by its own radius."""

import cv2
import numpy as np

from prepare.blur.blur_downsample import Lens, blur_and_average

MAX_LAYERS_EACH_SIDE = 16  # of the focal distance; the radius of a layer errs by half a step
BACKDROP_WEIGHT = 0.01  # seen only where the layers leave a hole; keeps their quotient steady


def blur_by_depth(
    photo: np.ndarray, depth_u8: np.ndarray, lens: Lens, *, focus: float, size: int
) -> np.ndarray:
    """Blurs each pixel by its distance from the focal plane, then averages areas.

    The radius grows with the difference between depth and focus, up to `radius_px` at the end of
    the range farther from the focus. Layers of equal radius are laid over each other from far to
    near, each with the coverage its own blur gives it; divided by the total coverage, no layer
    takes color from another, so that edges in depth get neither dark nor bright halos.

    Photograph, size and result are as for `blur_and_average`, with three channels; the radius of
    the lens is the largest. The depth is uint8, shape (H, H), 0 near, 255 far; at `focus`, 0 to
    255, it stays sharp.
    """
    radius_px, aperture, fringe = lens
    step = max(1.0, radius_px / MAX_LAYERS_EACH_SIDE)
    defocus = (np.arange(256) - focus) / max(focus, 255 - focus)
    layer_of_pixel = np.rint(defocus * radius_px / step).astype(np.int16)[depth_u8]
    masks = 3 if fringe else 1  # where colors are blurred apart, so are their coverages
    light = blur_and_average(photo, [lens], size)[0] * BACKDROP_WEIGHT
    covered: np.ndarray = np.full((size, size, masks), BACKDROP_WEIGHT, np.float32)
    for layer in np.unique(layer_of_pixel)[::-1].tolist():
        # What is not blurred is averaged in its own type, which must not round.
        whole = photo if layer else photo.astype(np.float32)
        mask = (layer_of_pixel == layer).astype(np.uint8) * 255
        # The photograph in the layer, black outside; then its coverage, 0 or 255.
        cut_out = np.dstack([cv2.copyTo(whole, mask), *[mask.astype(whole.dtype)] * masks])
        [blurred] = blur_and_average(cut_out, [Lens(abs(layer) * step, aperture, fringe)], size)
        coverage = np.clip(blurred[..., 3:] / 255, 0.0, 1.0)
        light = light * (1 - coverage) + blurred[..., :3]
        covered = covered * (1 - coverage) + coverage
    return light / covered


def random_depth(
    side: int, num_layers: int, generator: np.random.Generator
) -> tuple[np.ndarray, float]:
    """A depth map of a back and of random parts in front of it, and which depth is in focus.

    Either the back or the front has the largest blur; every other layer has any depth between.
    `num_layers`, 1 to 4, counts the back. The map is uint8, shape (side, side), 0 near, 255 far;
    the focus is 0 or 255.
    """
    focus = float(generator.choice((0, 255)))
    between = np.sort(generator.integers(0, 256, num_layers - 1))[::-1]
    levels = [255, *between] if focus == 0 else [*between, 0]
    depth_u8 = np.full((side, side), levels[0], np.uint8)
    for level in levels[1:]:
        cells = int(generator.integers(3, 9))
        coarse = generator.standard_normal((cells, cells)).astype(np.float32)
        field = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
        depth_u8[field > np.quantile(field, generator.uniform(0.4, 0.8))] = level
    return depth_u8, focus
