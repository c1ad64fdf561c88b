"""Grain put back after the blur: a lens blurs the scene, not the noise of the film or sensor."""

import hashlib

import numpy as np


def grain(
    seed_text: str, size: int, *, amount: float, kind: str, monochromatic: bool
) -> np.ndarray:
    """Random offsets to add to encoded values at the size that is written.

    Args:
        seed_text: what the offsets depend on; the same text gives the same grain everywhere.
        size: side of the image in pixels.
        amount: percent of the range of 255 levels: the standard deviation of gaussian grain, the
            largest offset of uniform grain.
        kind: "gaussian" or "uniform".
        monochromatic: the same offset for the three channels of a pixel.

    Returns:
        float32, shape (size, size, 3), or (size, size, 1) if monochromatic, 255 = white.
    """
    digest = hashlib.sha256(seed_text.encode()).digest()
    generator = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    shape = (size, size, 1 if monochromatic else 3)
    if kind == "uniform":
        offsets = generator.random(shape, dtype=np.float32) * 2 - 1
    else:
        offsets = generator.standard_normal(shape, dtype=np.float32)
    return offsets * np.float32(amount / 100 * 255)
