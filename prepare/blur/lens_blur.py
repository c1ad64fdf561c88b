"""The lens-blurred, reduced copies of one photograph."""

from collections.abc import Sequence

import cv2
import numpy as np

from prepare.blur.blur_downsample import Lens, blur_and_average
from prepare.blur.camera import as_photographed
from prepare.blur.depth_blur import blur_by_depth, random_depth
from prepare.blur.light import light_of
from prepare.records.blur import WIDTH_OF_RADIUS, LensBlur


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
    drawn = [blur.sample(image_id) for blur in blurs]
    together: dict[tuple, list[int]] = {}
    for index, blur in enumerate(drawn):
        light = (blur.linear, blur.gamma, blur.brightness, blur.threshold)
        together.setdefault(light, []).append(index)
    results: dict[int, np.ndarray] = {}
    for indices in together.values():
        light_u8_or_f32 = light_of(photo_u8, drawn[indices[0]])
        seeds = [f"{blurs[index].name}/{image_id}" for index in indices]
        shared = [drawn[index] for index in indices]
        reduced = _blurred(light_u8_or_f32, shared, size, seeds, depth_u8)
        for index, seed_text, picture in zip(indices, seeds, reduced, strict=True):
            results[index] = as_photographed(picture, drawn[index], seed_text)
    return [results[index] for index in range(len(blurs))]


def _blurred(
    light: np.ndarray,
    blurs: Sequence[LensBlur],
    size: int,
    seeds: Sequence[str],
    depth_u8: np.ndarray | None,
) -> list[np.ndarray]:
    """Each blur of the same light, float32, reduced."""
    even = [blur for blur in blurs if not blur.depth and blur.layers == 1]
    scale = light.shape[0] / WIDTH_OF_RADIUS
    flat = [Lens(blur.radius_px * scale, blur.aperture, blur.fringe) for blur in even]
    flat_results = iter(blur_and_average(light, flat, size))
    results = []
    for blur, seed_text in zip(blurs, seeds, strict=True):
        if not blur.depth and blur.layers == 1:
            results.append(next(flat_results))
            continue
        depth, focus = depth_u8, blur.focus
        if not blur.depth:
            depth, focus = random_depth(light.shape[0], int(blur.layers), seed_text)
        if depth is None or depth.shape != light.shape[:2]:
            got = "none" if depth is None else f"{depth.shape}"
            raise ValueError(f"{seed_text}: expected a depth map of {light.shape[:2]}, got {got}")
        lens = Lens(blur.radius_px * scale, blur.aperture, blur.fringe)
        results.append(blur_by_depth(light, depth, lens, focus=focus, size=size))
    return results
