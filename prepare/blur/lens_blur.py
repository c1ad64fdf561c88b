"""The lens-blurred, reduced copies of one photograph."""

from collections.abc import Sequence

import cv2
import numpy as np

from prepare.blur.blur_downsample import blur_and_average
from prepare.blur.depth_blur import blur_by_depth
from prepare.blur.grain import grain
from prepare.blur.light import encoded_values, light_of
from prepare.records.blur_settings import WIDTH_OF_RADIUS, LensBlur


def reduce_photo(photo_u8: np.ndarray, size: int) -> np.ndarray:
    """The sharp half of a pair: area average of the encoded values.

    Args:
        photo_u8: uint8, shape (H, H, 3), RGB.
        size: side of the result in pixels.

    Returns:
        uint8, shape (size, size, 3), RGB.
    """
    return cv2.resize(photo_u8, (size, size), interpolation=cv2.INTER_AREA)


def blur_and_reduce(
    photo_u8: np.ndarray,
    blurs: Sequence[LensBlur],
    size: int,
    image_id: str,
    depth_u8: np.ndarray | None = None,
) -> list[np.ndarray]:
    """The blurred halves of the pairs of one photograph.

    Blurs at the resolution of the photograph, with replicated border, and averages areas down to
    `size`. What a set gets does not depend on the other sets asked for with it.

    Args:
        photo_u8: uint8, shape (H, H, 3), RGB, sRGB encoded.
        blurs: settings of the sets.
        size: side of the results in pixels.
        image_id: id of the image, from which random radii and grain are drawn.
        depth_u8: uint8, shape (H, H), 0 near, 255 far; needed by blurs with `depth`.

    Returns:
        For each set uint8, shape (size, size, 3), RGB.

    Raises:
        ValueError: if the photograph is not square RGB, or a depth map is missing or unlike it.
    """
    if photo_u8.dtype != np.uint8 or photo_u8.shape != (*photo_u8.shape[:1] * 2, 3):
        got = f"{photo_u8.dtype} {photo_u8.shape}"
        raise ValueError(f"{image_id}: expected a square 8-bit RGB photograph, got {got}")
    together: dict[tuple, list[int]] = {}
    for index, blur in enumerate(blurs):
        together.setdefault((blur.linear, blur.brightness, blur.threshold), []).append(index)
    results: dict[int, np.ndarray] = {}
    for (linear, brightness, threshold), indices in together.items():
        light = light_of(photo_u8, linear=linear, brightness=brightness, threshold=threshold)
        shared = [blurs[index] for index in indices]
        for index, reduced in zip(
            indices, _blurred(light, shared, size, image_id, depth_u8), strict=True
        ):
            results[index] = _finished(reduced, blurs[index], image_id)
    return [results[index] for index in range(len(blurs))]


def _blurred(
    light: np.ndarray,
    blurs: Sequence[LensBlur],
    size: int,
    image_id: str,
    depth_u8: np.ndarray | None,
) -> list[np.ndarray]:
    """Each blur of the same light, float32, reduced."""
    scale = light.shape[0] / WIDTH_OF_RADIUS
    radii = [blur.radius_of(image_id) * scale for blur in blurs]
    flat = [(r, blur.aperture) for r, blur in zip(radii, blurs, strict=True) if not blur.depth]
    even = iter(blur_and_average(light, flat, size))
    results = []
    for radius_px, blur in zip(radii, blurs, strict=True):
        if not blur.depth:
            results.append(next(even))
            continue
        if depth_u8 is None or depth_u8.shape != light.shape[:2]:
            got = "none" if depth_u8 is None else f"{depth_u8.shape}"
            raise ValueError(f"{image_id}: expected a depth map of {light.shape[:2]}, got {got}")
        layers = {"focus": blur.focus, "radius_px": radius_px, "aperture": blur.aperture}
        results.append(blur_by_depth(light, depth_u8, size=size, **layers))
    return results


def _finished(reduced: np.ndarray, blur: LensBlur, image_id: str) -> np.ndarray:
    """Encoded, grained and rounded."""
    values = encoded_values(reduced, linear=blur.linear)
    if blur.noise > 0:
        values = values + grain(
            f"{blur.name}/{image_id}",
            values.shape[0],
            amount=blur.noise,
            kind=blur.noise_kind,
            monochromatic=blur.monochromatic,
        )
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
