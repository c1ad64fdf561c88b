"""Restores one photograph, of any blur and any size.

The network knows blurs of up to 12 pixels of what it is given. At half the size a blur is half as
wide, and one of 8 pixels and more has nothing in it that half the pixels would lose. So each blur
is estimated and taken back at the scale that fits it.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

from prepare.records.progress import Progress
from train.restore.content import scene_box
from train.restore.crisp import fine_detail
from train.restore.engine import CELL_PX, Engine, to_signed
from train.restore.hypotheses import weighed_by_results
from train.restore.tiles import CONTEXT_PX, continued, corrected_strips, num_tiles, survey

MOST_HALVINGS = 3  # so up to 12 * 8 pixels
# Of a scale that is looked at; of a photograph halved once, half of that. Skies that were halved
# further, to 80 pixels, were taken for blurred.
LEAST_SIDE_PX = 96
# A scale takes over from a finer one where it sees a radius beyond these, in its own pixels, at so
# large a share of all that is around. 4 pixels lose nothing at half the size. With smaller shares,
# sharp places beside a wide blur are restored at a coarse scale; with larger ones, the wide blur is
# not.
TAKES_OVER_PX, TAKES_OVER_SHARE = (4.0, 5.0), (0.3, 0.7)


# The mean radius from which nothing is restored to where all is, and how certain it has to be, if
# the network estimates each place by itself, whose errors must not be sharpened.
BLURRED_PX, CERTAIN = (0.5, 1.5), (0.4, 0.8)
# The radius if it does by all around. That is never too uncertain: the other guard cost real faces
# 0.3 to 0.5 dB, and scenes 0.3 to 0.4.
POOLED_BLURRED_PX = (0.4, 0.8)
RAISED_PX = (1.0, 3.0)  # mean radius from which detail is raised to where it is in full
NOISY = (1.5, 2.5)  # levels of noise from which detail tells less to where it tells nothing
WIDEST_PX = 8192  # of a photograph that is higher than wide, or that is not turned to be so
# Share by which the network's radii may miss a told one: so that it has one of hard and of soft
# edges, whose steps are wider.
TOLD_WITHIN = 0.1
LEAST_PROB = 1e-4  # that a told radius has, if it is near the estimated one

Limits = tuple[float, float]


class Scale(NamedTuple):
    """A photograph reduced, and what is to be done to it at that size."""

    picture: np.ndarray  # uint8 or uint16, (height, width, 3), RGB
    share: np.ndarray  # of the change made here that is used, 0..1; float32, a value a cell
    radius_probs: np.ndarray | None = None  # as `Engine.estimate` gives them, of all cells
    clean: float = 1.0  # 0 where noise would be taken for detail


class BlurMap(NamedTuple):
    """The blur of a photograph, for each of its cells of 4x4 pixels; float32, (rows, columns)."""

    radius_px: np.ndarray  # in pixels of the photograph
    confidence: np.ndarray  # 1 where all of the change is made, less where the radius is uncertain
    noise: float = 0.0  # sigma of the white noise in the luma, levels of 255


def restore(
    engine: Engine,
    photo: np.ndarray,
    strength: float = 1.0,
    name: str = "",
    limits_px: Limits | None = None,
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, BlurMap | None]:
    """A photograph restored; what is sharp in it is the photograph's own, to the bit.

    Args:
        photo: uint8 or uint16, (height, width, 3), RGB.
        strength: share of the change that is made, 0..1.
        name: of the photograph, beside the bar that counts tiles; without one there is no bar.
        limits_px: between which the radius of the blur lies, pixels, if that is known.
        mask: where to restore, 0..1; float32, (height, width).

    Returns:
        the same shape and type, and the estimated blur, None for a generator that estimates none.
    """
    box = scene_box(photo)
    if photo[box].shape != photo.shape:
        restored = photo.copy()
        inner = None if mask is None else mask[box]
        restored[box], blur = restore(engine, photo[box], strength, name, limits_px, inner)
        return restored, blur and framed(blur, box, photo.shape)
    if photo.shape[1] > max(photo.shape[0], WIDEST_PX):  # strips across would fill the memory
        turned = None if mask is None else mask.T
        restored, blur = restore(engine, photo.swapaxes(0, 1), strength, name, limits_px, turned)
        turned_back = blur and blur._replace(
            radius_px=blur.radius_px.T, confidence=blur.confidence.T
        )
        return restored.swapaxes(0, 1), turned_back
    return restored_scene(engine, photo, strength, name, limits_px, mask)


def framed(blur: BlurMap, box: tuple[slice, slice], shape: tuple[int, ...]) -> BlurMap:
    """The blur of a photograph of that shape, of which the box alone is a scene."""
    parts = []
    for values, around in ((blur.radius_px, 0), (blur.confidence, 1)):
        whole = np.full([-(-side // CELL_PX) for side in shape[:2]], around, np.float32)
        top, left = (side.start // CELL_PX for side in box)
        place = whole[top : top + values.shape[0], left : left + values.shape[1]]
        place[:] = values[: place.shape[0], : place.shape[1]]
        parts.append(whole)
    return BlurMap(parts[0], parts[1], blur.noise)


def restored_scene(
    engine: Engine,
    photo: np.ndarray,
    strength: float,
    name: str,
    limits_px: Limits | None,
    mask: np.ndarray | None,
) -> tuple[np.ndarray, BlurMap | None]:
    """A photograph without a frame, restored; see `restore`."""
    multiple = int(engine.notes["multiple"])
    cells = [-(-side // CELL_PX) for side in photo.shape[:2]]
    blur = None
    scales = [Scale(photo, np.ones(cells, np.float32))]
    if engine.radii_px.size:
        scales, blur = estimate_blur(engine, photo, limits_px)
    while len(scales) > 1 and not scales[-1].share.any():
        scales.pop()  # nothing is blurred so much
    sizes = [scale.picture.shape for scale in scales]
    total = sum(num_tiles(height, width, multiple) for height, width, _ in sizes)
    restored = np.empty_like(photo)
    peak = np.iinfo(photo.dtype).max
    with Progress(name=name, total=total, unit="tile", hidden=not name) as progress:
        coarse: np.ndarray | None = None  # the change of all coarser scales
        for scale in reversed(scales[1:]):
            change_here = np.empty(scale.picture.shape, np.float32)
            for top, part in changes_of(engine, scale, coarse, multiple, progress):
                change_here[top : top + len(part)] = part
            coarse = change_here
        for top, change in changes_of(engine, scales[0], coarse, multiple, progress):
            rows = slice(top, top + len(change))
            if mask is not None:
                change *= mask[rows, :, None]
            change *= np.float32(strength * peak / 2)
            change += photo[rows]
            np.rint(change, out=change)
            restored[rows] = np.clip(change, 0, peak, out=change)
    return restored, blur


def changes_of(
    engine: Engine, scale: Scale, coarse: np.ndarray | None, multiple: int, progress: Progress
) -> Iterator[tuple[int, np.ndarray]]:
    """What one scale and those coarser than it change, strip by strip; in -1..1, float32."""
    width = scale.picture.shape[1]

    def correct(tile: np.ndarray, top: int, left: int) -> np.ndarray:
        progress.update()
        end_y, end_x = top + tile.shape[0], left + tile.shape[1]
        # Rounded outwards by a cell, as shares are interpolated between cells.
        rows = slice(max(0, top // CELL_PX - 1), end_y // CELL_PX + 1)
        columns = slice(max(0, left // CELL_PX - 1), end_x // CELL_PX + 1)
        if not scale.share[rows, columns].any():
            return np.zeros(tile.shape, np.float32)
        probs = scale.radius_probs
        if probs is not None:
            num_rows, num_columns = (side // CELL_PX for side in tile.shape[:2])
            first, left_most = top // CELL_PX, left // CELL_PX
            probs = probs[first : first + num_rows, left_most : left_most + num_columns]
            probs = continued(probs, num_rows, num_columns)
        signed = to_signed(tile)
        change = engine.correction(signed, probs)
        if amount := engine.crispness * scale.clean:
            detail = fine_detail(signed + change, amount)
            if probs is not None:
                radius_px = probs.astype(np.float32) @ engine.radii_px
                height, width = tile.shape[:2]
                raised = enlarged(ramp(radius_px, *RAISED_PX), height, width, CELL_PX)
                detail *= raised[..., None]
            change += detail
        return change

    for top, change in corrected_strips(correct, scale.picture, multiple):
        share = enlarged(scale.share, len(change), width, CELL_PX, top)
        change *= share[..., None]
        if coarse is not None:
            for channel in range(3):
                change[..., channel] += enlarged(coarse[..., channel], len(change), width, 2, top)
        yield top, change


def restored_part(engine: Engine, scales: list[Scale], rows: slice, columns: slice) -> np.ndarray:
    """A part of a photograph, restored by the blur that was estimated of the whole of it.

    Args:
        engine: that the blur was estimated with.
        scales: as `estimate_blur` gives them.
        rows, columns: of the part, with start and stop.

    Returns:
        the part, of the photograph's type.
    """
    change: np.ndarray | None = None  # of all coarser scales, from `starts` on
    starts = [0, 0]
    for halvings in reversed(range(len(scales))):
        scale = scales[halvings]
        if change is None and halvings and not scale.share.any():
            continue  # nothing is blurred so much
        around = []
        for side, length in zip((rows, columns), scale.picture.shape[:2], strict=True):
            start = max(0, (side.start >> halvings) - CONTEXT_PX) // CELL_PX * CELL_PX
            around.append(slice(start, min(length, (side.stop >> halvings) + 1 + CONTEXT_PX)))
        box, cells = tuple(around), tuple(slice(s.start // CELL_PX, None) for s in around)
        if change is not None:
            top, left = (s.start // 2 - start for s, start in zip(around, starts, strict=True))
            change = change[top:, left:]
        probs = None if scale.radius_probs is None else scale.radius_probs[cells]
        part = Scale(scale.picture[box], scale.share[cells], probs, scale.clean)
        with Progress(name="", total=1, unit="tile", hidden=True) as progress:
            strips = changes_of(engine, part, change, int(engine.notes["multiple"]), progress)
            change = np.concatenate([strip for _, strip in strips])
        starts = [s.start for s in around]
    assert change is not None
    photo = scales[0].picture[rows, columns]
    top, left = rows.start - starts[0], columns.start - starts[1]
    peak = np.iinfo(photo.dtype).max
    own = change[top : top + len(photo), left : left + photo.shape[1]] * np.float32(peak / 2)
    return np.clip(np.rint(own + photo), 0, peak).astype(photo.dtype)


def estimate_blur(
    engine: Engine, photo: np.ndarray, limits_px: Limits | None = None
) -> tuple[list[Scale], BlurMap]:
    """Estimates the blur at several scales, and shares the restoring out among them.

    A coarse scale comes first: of what is wider than a fine scale knows, that one sees nothing.
    Shares go smoothly from one scale to the next, so that no seam shows. The scales come finest
    first, each half as large as the one before.
    """
    blurred_px = POOLED_BLURRED_PX if engine.uses_pooling else BLURRED_PX
    pictures = [photo, halved(photo)] if min(photo.shape[:2]) >= LEAST_SIDE_PX else [photo]
    while len(pictures) <= MOST_HALVINGS and min(pictures[-1].shape[:2]) >= 2 * LEAST_SIDE_PX:
        pictures.append(halved(pictures[-1]))
    scales: list[Scale] = []
    taken = radius = confidence = np.zeros((1, 1), np.float32)
    noise = 0.0
    for halvings in reversed(range(len(pictures))):
        probs, noise = estimated(engine, pictures[halvings])
        if limits_px:
            limits = (limit / 2**halvings for limit in limits_px)
            probs = limited(probs, engine.radii_px, *limits)
        own_px, certainty = mean_and_certainty(probs, engine.radii_px)
        taken, radius, confidence = (
            enlarged(values, *own_px.shape) for values in (taken, radius, confidence)
        )
        own = 1 - taken
        if halvings:
            wide_px, blurred = split_mixture(own_px, certainty)
            own *= ramp(wide_px, *TAKES_OVER_PX) * ramp(blurred, *TAKES_OVER_SHARE)
        needs_guard = not (engine.uses_pooling or limits_px)
        sure = ramp(certainty, *CERTAIN) if needs_guard else np.ones_like(certainty)
        share = own * sure * ramp(own_px, *blurred_px)
        clean = 1 - float(ramp(noise * 2**halvings, *NOISY))  # white noise halves with the size
        if engine.uses_pooling:
            probs = weighed_by_results(engine, pictures[halvings], probs, clean * share)
            own_px, _ = mean_and_certainty(probs, engine.radii_px)
        scales.insert(0, Scale(pictures[halvings], share, probs, clean))
        taken, radius = taken + own, radius + own * own_px * 2**halvings
        confidence = confidence + own * sure
    return scales, BlurMap(radius, confidence, noise)


def estimated(engine: Engine, picture: np.ndarray) -> tuple[np.ndarray, float]:
    """Probabilities of all cells of a picture, and its noise; see `Engine.estimate`."""
    noises: list[float] = []

    def probs_of(strip: np.ndarray) -> np.ndarray:
        probs, noise = engine.estimate(to_signed(strip))
        noises.append(noise)
        return probs

    return survey(probs_of, picture, CELL_PX), min(noises)


def limited(probs: np.ndarray, radii_px: np.ndarray, low_px: float, high_px: float) -> np.ndarray:
    """Probabilities of radii, (rows, columns, radii), of which only those within limits may be.

    Where none of the network's radii lies within them, that is those next to their middle.
    """
    within = (radii_px >= low_px * (1 - TOLD_WITHIN)) & (radii_px <= high_px * (1 + TOLD_WITHIN))
    if not within.any():
        distance = np.abs(radii_px - (low_px + high_px) / 2)
        within = distance == distance.min()
    # Where the estimate has nothing within them, what is nearest to it.
    distance = np.abs(radii_px - (probs.astype(np.float32) @ radii_px)[..., None])
    allowed = within * (probs + LEAST_PROB * np.exp(-2 * distance))
    return (allowed / allowed.sum(-1, keepdims=True)).astype(probs.dtype)


def mean_and_certainty(probs: np.ndarray, radii_px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the radius at each place, and 1 less its deviation as a share of 1 + the mean."""
    mean, square = (probs.astype(np.float32) @ power for power in (radii_px, radii_px**2))
    deviation = np.sqrt(np.maximum(square - mean**2, 0))
    return mean, np.maximum(0, 1 - deviation / (1 + mean))


def split_mixture(mean_px: np.ndarray, certainty: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tells a wide blur beside something sharp from a blur of half its radius: both have one mean.

    Of a mixture of 0 and of one blur, mean and variance give that blur's radius and its share.
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
    """Rows from `top` on of a field so many times as large, linear between its points.

    Takes float32, (rows, columns), gives (height, width); beyond the field its edge goes on.
    """
    rows, columns = values.shape
    missing = (-(-(top + height) // factor) - rows, -(-width // factor) - columns)
    if max(missing) > 0:
        values = np.pad(values, [(0, max(0, end)) for end in missing], "edge")
    box = (0, top / factor, width / factor, (top + height) / factor)
    image = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box))


def ramp(values: np.ndarray | float, low: float, high: float) -> np.ndarray:
    """0 up to `low`, 1 from `high` on, and evenly between."""
    return np.clip((values - low) / np.float32(high - low), 0, 1)
