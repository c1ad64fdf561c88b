"""What the values in a picture file mean: light, encoded as sRGB."""

import numpy as np

LUMA = np.array([0.299, 0.587, 0.114])  # of R, G, B: ITU-R BT.601, as in Pillow's "L"


def srgb_to_linear(encoded_srgb: np.ndarray) -> np.ndarray:
    """Linear light, 0..1, of sRGB encoded values, 0..1; any shape, float64.

    Reference: IEC 61966-2-1, transfer function of sRGB.
    """
    encoded = np.asarray(encoded_srgb, np.float64)
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(light_linear: np.ndarray) -> np.ndarray:
    """sRGB encoded values, 0..1, of linear light; any shape, float32, light clipped to 0..1.

    Reference: IEC 61966-2-1, transfer function of sRGB.
    """
    light = np.clip(light_linear, 0.0, 1.0).astype(np.float32)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
