"""Which light is blurred: encoded values or linear light, with or without boosted highlights."""

import cv2
import numpy as np

from prepare.records.srgb import linear_to_srgb, srgb_to_linear


def light_of(
    photo_u8: np.ndarray, *, linear: bool, brightness: float, threshold: float
) -> np.ndarray:
    """The light of a photograph, as it enters the lens.

    Highlights are the pixels whose luma (Rec. 709 weights, encoded values) reaches the threshold;
    their light is multiplied by 1 + brightness / 10. It may exceed white, and is clipped only
    after the blur: this is what turns a small lamp into a bright disc.

    Args:
        photo_u8: uint8, shape (H, W, 3), RGB, sRGB encoded.
        linear: linear light instead of encoded values.
        brightness: boost of the highlights, 0 (none) to 100 (elevenfold).
        threshold: luma from which a pixel is a highlight, 0 to 255; 255 means none.

    Returns:
        The photograph itself where nothing changes its values; otherwise float32, same shape,
        255 = white.
    """
    light = photo_u8
    if linear:
        table = srgb_to_linear(np.arange(256) / 255) * 255
        light = cv2.LUT(photo_u8, table.astype(np.float32))
    if brightness == 0 or threshold == 255:
        return light
    luma = cv2.transform(photo_u8.astype(np.float32), np.array([[0.2126, 0.7152, 0.0722]]))
    gain = np.where(luma >= threshold, 1 + brightness / 10, 1).astype(np.float32)
    return light.astype(np.float32) * gain[..., None]


def encoded_values(light: np.ndarray, *, linear: bool) -> np.ndarray:
    """sRGB encoded values, 255 = white, of light as `light_of` gives it; float32."""
    return linear_to_srgb(light / 255) * 255 if linear else light
