"""A photograph at several scales: which of them a blur is estimated and restored at.

The network knows blurs of up to 12 pixels of what it is given. At half the size a blur is half as
wide, and one of 8 pixels and more has nothing in it that half the pixels would lose.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

from train.restore.engine import CELL_PX, Engine, to_signed
from train.restore.tiles import survey

MOST_HALVINGS = 3  # so up to 12 * 8 pixels
# Of a scale that is looked at; of a photograph halved once, half of that. Skies that were halved
# further, to 80 pixels, were taken for blurred.
LEAST_SIDE_PX = 96
# A scale takes over from a finer one where it sees a radius beyond these, in its own pixels, at so
# large a share of all that is around. 4 pixels lose nothing at half the size. With smaller shares,
# sharp places beside a wide blur are restored at a coarse scale; with larger ones, the wide blur is
# not.
TAKES_OVER_PX, TAKES_OVER_SHARE = (4.0, 5.0), (0.3, 0.7)


class Thresholds(NamedTuple):
    """What is asked of an estimate; each from where nothing is done to where all is."""

    blurred_px: tuple[float, float]  # the mean radius of a place that is restored
    certainty: tuple[float, float]  # of that radius


# Of a network that tells each place by itself, whose errors must not be sharpened.
SINGLE_PLACE = Thresholds((0.5, 1.5), (0.4, 0.8))
# By all around it. Such an estimate is never too uncertain: the other guard cost real faces 0.3 to
# 0.5 dB, and scenes 0.3 to 0.4.
POOLED_PLACES = Thresholds((0.4, 0.8), (-1.0, 0.0))


@dataclass
class Scale:
    """A photograph reduced, and what is to be done to it at that size.

    Attributes:
        picture: uint8 or uint16, (height, width, 3), RGB.
        share: float32, a value a cell: how much of the change made at this scale is used, 0..1.
    """

    picture: np.ndarray
    share: np.ndarray


@dataclass
class BlurMap:
    """The blur of a photograph, for each of its cells of 4x4 pixels; float32, (rows, columns).

    Attributes:
        radius_px: in pixels of the photograph.
        confidence: 1 where all of the change is made, less where the radius is not certain.
    """

    radius_px: np.ndarray
    confidence: np.ndarray


def estimate_blur(engine: Engine, photo: np.ndarray) -> tuple[list[Scale], BlurMap]:
    """Estimates the blur at several scales, and shares the restoring out among them.

    A coarse scale has its say first: of what is wider than a fine scale knows, that one sees
    nothing. Shares go smoothly from one scale to the next, so that no seam shows.

    Args:
        engine: one that estimates radii.
        photo: uint8 or uint16, (height, width, 3), RGB.

    Returns:
        the scales, finest first, each half as large as the one before; and the blur.
    """
    least = POOLED_PLACES if engine.uses_pooling else SINGLE_PLACE
    pictures = [photo, halved(photo)] if min(photo.shape[:2]) >= LEAST_SIDE_PX else [photo]
    while len(pictures) <= MOST_HALVINGS and min(pictures[-1].shape[:2]) >= 2 * LEAST_SIDE_PX:
        pictures.append(halved(pictures[-1]))
    scales: list[Scale] = []
    taken = radius = confidence = np.zeros((1, 1), np.float32)
    for halvings in reversed(range(len(pictures))):
        own_px, certainty = survey(
            lambda strip: engine.radius(to_signed(strip)), pictures[halvings], CELL_PX
        )
        taken, radius, confidence = (
            enlarged(values, *own_px.shape) for values in (taken, radius, confidence)
        )
        own = 1 - taken
        if halvings:
            wide_px, blurred = split_mixture(own_px, certainty)
            own *= ramp(wide_px, *TAKES_OVER_PX) * ramp(blurred, *TAKES_OVER_SHARE)
        sure = ramp(certainty, *least.certainty)
        scales.insert(0, Scale(pictures[halvings], own * sure * ramp(own_px, *least.blurred_px)))
        taken, radius = taken + own, radius + own * own_px * 2**halvings
        confidence = confidence + own * sure
    return scales, BlurMap(radius, confidence)


def split_mixture(mean_px: np.ndarray, certainty: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tells a wide blur beside something sharp from a blur of half its radius: both have one mean.

    Takes the radius for a mixture of two points, of 0 and of one blur. Their mean and variance,
    which the certainty holds, give that blur's radius and its share.

    Args:
        mean_px: radius, float32.
        certainty: 1 less the deviation as a share of 1 + the mean, likewise.

    Returns:
        that radius and that share, both float32, of the same shape.
    """
    mean_square = mean_px**2 + ((1 - certainty) * (1 + mean_px)) ** 2
    return mean_square / np.maximum(mean_px, 1e-3), mean_px**2 / np.maximum(mean_square, 1e-6)


def halved(picture: np.ndarray) -> np.ndarray:
    """Means of 2x2 pixels, as uint16; an odd last row or column is continued."""
    odd = [(0, side % 2) for side in picture.shape[:2]]
    if any(end for _, end in odd):
        picture = np.pad(picture, [*odd, (0, 0)], "edge")
    total = picture[0::2, 0::2].astype(np.uint32)
    for part in (picture[1::2, 0::2], picture[0::2, 1::2], picture[1::2, 1::2]):
        total += part
    if picture.dtype == np.uint8:
        total *= 257
    return ((total + 2) >> 2).astype(np.uint16)


def enlarged(
    values: np.ndarray, height: int, width: int, factor: int = 2, top: int = 0
) -> np.ndarray:
    """Rows of a field at a multiple of its size, between its points linearly.

    Args:
        values: float32, (rows, columns).
        height: of the result; what lies beyond the field continues its edge.
        width: likewise.
        factor: how many times as large.
        top: the first row of the result, in rows of the enlarged field.

    Returns:
        float32, (height, width).
    """
    rows, columns = values.shape
    missing = (-(-(top + height) // factor) - rows, -(-width // factor) - columns)
    if max(missing) > 0:
        values = np.pad(values, [(0, max(0, end)) for end in missing], "edge")
    box = (0, top / factor, width / factor, (top + height) / factor)
    image = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box))


def ramp(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 up to `low`, 1 from `high` on, and evenly between."""
    return np.clip((values - low) / np.float32(high - low), 0, 1)
