"""Which light is blurred: encoded values or linear light, with or without boosted highlights."""

import cv2
import numpy as np

from prepare.records.blur import LensBlur
from prepare.records.srgb import linear_to_srgb, srgb_to_linear


def light_of(photo_u8: np.ndarray, blur: LensBlur) -> np.ndarray:
    """The light of a photograph, as it enters the lens.

    Highlights are the pixels whose luma (Rec. 709 weights, encoded values) reaches the threshold;
    their light is multiplied by 1 + brightness / 10. It may exceed white, and is clipped only
    after the blur: this is what turns a small lamp into a bright disc.

    Args:
        photo_u8: uint8, shape (H, W, 3), RGB, sRGB encoded.
        blur: says whether the light is linear, by which curve, and which highlights are boosted.

    Returns:
        The photograph itself where nothing changes its values; otherwise float32, same shape,
        255 = white.
    """
    light = photo_u8
    if blur.linear:
        values = np.arange(256) / 255
        table = values**blur.gamma if blur.gamma else srgb_to_linear(values)
        light = cv2.LUT(photo_u8, (table * 255).astype(np.float32))
    if blur.brightness == 0 or blur.threshold == 255:
        return light
    luma = cv2.transform(photo_u8.astype(np.float32), np.array([[0.2126, 0.7152, 0.0722]]))
    gain = np.where(luma >= blur.threshold, 1 + blur.brightness / 10, 1).astype(np.float32)
    return light.astype(np.float32) * gain[..., None]


def encoded_values(light: np.ndarray, blur: LensBlur) -> np.ndarray:
    """Encoded values, 255 = white, of light as `light_of` gives it; float32."""
    if not blur.linear:
        return light
    if blur.gamma:
        return np.maximum(light / 255, 0) ** np.float32(1 / blur.gamma) * 255
    return linear_to_srgb(light / 255) * 255
