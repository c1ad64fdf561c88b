"""What a camera does to blurred light: it encodes it, adds grain, sharpens and compresses."""

import cv2
import numpy as np

from prepare.blur.grain import grain
from prepare.blur.light import encoded_values
from prepare.records.blur import LensBlur

SHARPENING_SIGMA = 1.0  # of the unsharp mask, written pixels


def as_photographed(light: np.ndarray, blur: LensBlur, seed_text: str) -> np.ndarray:
    """The picture that a camera would write.

    Args:
        light: float32, shape (size, size, 3), as `light_of` gives it, blurred and reduced.
        blur: settings without spreads.
        seed_text: what the grain depends on.

    Returns:
        uint8, shape (size, size, 3), RGB, encoded.
    """
    values = encoded_values(light, blur)
    if blur.noise > 0:
        values = values + grain(seed_text, values, blur)
    if blur.sharpening > 0:
        smooth = cv2.GaussianBlur(values, (0, 0), SHARPENING_SIGMA, borderType=cv2.BORDER_REPLICATE)
        values = values + np.float32(blur.sharpening / 100) * (values - smooth)
    picture = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    if blur.jpeg > 0:
        small = encode_jpeg(picture, int(blur.jpeg), subsampled=bool(blur.subsampling))
        picture = cv2.imdecode(np.frombuffer(small, np.uint8), cv2.IMREAD_COLOR_RGB)
    return picture


def encode_jpeg(picture_u8: np.ndarray, quality: int, subsampled: bool = False) -> bytes:
    """JPEG file of an RGB picture.

    Args:
        picture_u8: uint8, shape (H, W, 3), RGB.
        quality: 1 to 100.
        subsampled: chroma at half the resolution (4:2:0), in place of the full (4:4:4).

    Returns:
        The bytes of the file; the same on every call.
    """
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    full, half = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
    settings += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, half if subsampled else full]
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(picture_u8, cv2.COLOR_RGB2BGR), settings)
    return encoded.tobytes()
