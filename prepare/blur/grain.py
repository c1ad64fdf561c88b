"""Grain put back after the blur: a lens blurs the scene, not the noise of the film or sensor."""

import hashlib

import cv2
import numpy as np

from prepare.records.blur import LensBlur


def generator_of(seed_text: str) -> np.random.Generator:
    """Random numbers that depend on a text alone, on any machine."""
    digest = hashlib.sha256(seed_text.encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def grain(seed_text: str, values: np.ndarray, blur: LensBlur) -> np.ndarray:
    """Random offsets to add to encoded values at the size that is written.

    Of gaussian grain `noise` is the standard deviation in percent of 255 levels, of uniform grain
    the largest offset; of photon grain the standard deviation at white, which falls with the root
    of the value. Where coarseness smooths it, its strength stays.

    Args:
        seed_text: what the offsets depend on; the same text gives the same grain everywhere.
        values: float32, shape (size, size, 3), 255 = white.
        blur: settings without spreads.

    Returns:
        float32, shape (size, size, 3), or (size, size, 1) if the same for all three channels of a
        pixel, 255 = white.
    """
    generator = generator_of(seed_text)
    shape = (*values.shape[:2], 1 if blur.monochromatic else 3)
    if blur.noise_kind == "uniform":
        offsets = generator.random(shape, dtype=np.float32) * 2 - 1
    else:
        offsets = generator.standard_normal(shape, dtype=np.float32)
    if blur.coarseness > 0:
        smooth = cv2.GaussianBlur(offsets, (0, 0), blur.coarseness).reshape(shape)
        offsets = smooth * np.float32(offsets.std() / max(smooth.std(), 1e-6))
    if blur.noise_kind == "photon":
        offsets = offsets * np.sqrt(np.clip(values, 0, 255) / np.float32(255))
    return offsets * np.float32(blur.noise / 100 * 255)
