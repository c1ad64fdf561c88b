"""Tests which blur a photograph has by what restoring with each gives.

A wrong radius leaves ringing or a rest of the blur, so the edges of its result are less sparse
(Levin et al., Understanding and Evaluating Blind Deconvolution Algorithms, 2009). The place of the
richest contrast is restored with each radius that the estimate leaves open there. What is found
counts wherever the estimate is similar: other depths keep theirs.
"""

import numpy as np

from prepare.records.srgb import LUMA
from train.restore.engine import CELL_PX, Engine, to_signed
from train.restore.tiles import continued

PLACE_CELLS, MARGIN_CELLS = 16, 4  # side of a place; around it, restored but not looked at
LEAST_BLURRED = 0.5  # mean probability of a place that it is blurred at all
LEAST_PROB = 0.05  # of a radius that is tested
# Of the logarithm of sparsity. By trial on real pairs: more gains on scenes, and loses on faces.
SPARSITY_POWER = 30.0


def weighed_by_results(
    engine: Engine, picture: np.ndarray, probs: np.ndarray, share: np.ndarray
) -> np.ndarray:
    """Probabilities of radii, weighed anew by how sparse the edges of each one's result are.

    Args:
        picture: uint8 or uint16, (height, width, 3), RGB.
        probs: as `Engine.estimate` gives them, (rows, columns, radii), of all cells.
        share: how much of each cell is restored, 0..1; float32, (rows, columns).

    Returns:
        the same shape and type; the probability that a place is sharp, the first, is as it was.
    """
    blurred = 1 - probs[..., 0].astype(np.float32)
    kinds = probs[..., 1:] / np.maximum(blurred, 1e-3)[..., None]
    corners = picture[::CELL_PX, ::CELL_PX, 1].astype(np.float32)
    contrast = np.abs(np.diff(corners, axis=1, append=corners[:, -1:]))
    place = richest_place(share * blurred * np.sqrt(contrast))
    if (share * blurred)[place].mean() < LEAST_BLURRED:
        return probs
    here = kinds[place].mean((0, 1), dtype=np.float32)
    evidence = -SPARSITY_POWER * sparsities(engine, picture, place, here)
    # Squared Bhattacharyya coefficient: 1 for the same estimate, 0 with no radius in common.
    alike = np.minimum(np.sqrt(kinds) @ np.sqrt(here), 1) ** 2
    kinds = kinds * np.exp(alike[..., None] * (evidence - evidence.max())) + 1e-6
    kinds *= (blurred / kinds.sum(-1))[..., None]
    return np.concatenate([probs[..., :1], kinds.astype(probs.dtype)], -1)


def richest_place(counts: np.ndarray) -> tuple[slice, slice]:
    """The block of cells with the highest sum; the last ones of a row or column may be smaller."""
    starts = [range(0, side, PLACE_CELLS) for side in counts.shape]
    sums = np.add.reduceat(np.add.reduceat(counts, starts[0], 0), starts[1], 1)
    corner = np.unravel_index(sums.argmax(), sums.shape)
    top, left = (PLACE_CELLS * int(index) for index in corner)
    return slice(top, top + PLACE_CELLS), slice(left, left + PLACE_CELLS)


def sparsities(
    engine: Engine, picture: np.ndarray, place: tuple[slice, slice], here: np.ndarray
) -> np.ndarray:
    """Log sparsity of the edges of a place restored with each radius; lower is sparser.

    Radii of too low a probability are not tested, and get the mean of the others.
    """
    around = [slice(max(0, side.start - MARGIN_CELLS), side.stop + MARGIN_CELLS) for side in place]
    pixels = picture[tuple(slice(CELL_PX * s.start, CELL_PX * s.stop) for s in around)]
    pixels = continued(pixels, *(side + -side % CELL_PX for side in pixels.shape[:2]))
    signed = to_signed(pixels)
    cells = [side // CELL_PX for side in pixels.shape[:2]]
    inner = [
        slice(CELL_PX * (part.start - outer.start), CELL_PX * (part.stop - outer.start))
        for part, outer in zip(place, around, strict=True)
    ]
    is_tested = here >= LEAST_PROB
    found = np.zeros(len(here), np.float32)
    for kind in np.flatnonzero(is_tested):
        only = np.zeros((*cells, len(here) + 1), np.float32)
        only[..., kind + 1] = 1
        restored = np.clip(signed + engine.correction(signed, only), -1, 1)
        luma = (restored @ LUMA.astype(np.float32))[tuple(inner)]
        steps = np.concatenate([np.abs(np.diff(luma, axis=axis)).ravel() for axis in (0, 1)])
        found[kind] = np.log(np.mean(np.sqrt(steps)) ** 2 / (np.mean(steps) + 1e-6) + 1e-6)
    found[~is_tested] = np.average(found, weights=is_tested * here)
    return found
