"""The lens-blurred, reduced copies of one photograph: light, blur, and what a camera does to it."""

import hashlib
from collections.abc import Sequence
from itertools import compress

import cv2
import numpy as np

from prepare.blur.blur_downsample import Lens, blur_and_average
from prepare.blur.depth_blur import blur_by_depth, random_depth
from prepare.records.blur import WIDTH_OF_RADIUS, LensBlur
from prepare.records.srgb import linear_to_srgb, srgb_to_linear

SHARPENING_SIGMA = 1.0  # of the unsharp mask, written pixels


def reduce_photo(photo_u8: np.ndarray, size: int) -> np.ndarray:
    """The sharp half of a pair, uint8, (size, size, 3): area average of the encoded values."""
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
    `size`. The pictures of a set do not depend on the other sets.

    Args:
        photo_u8: uint8, shape (H, H, 3), RGB, sRGB encoded.
        blurs: settings of the sets.
        size: side of the results in pixels.
        image_id: id of the image, which seeds random radii and grain.
        depth_u8: uint8, shape (H, H), 0 near, 255 far; needed by blurs with `depth`.

    Returns:
        For each set uint8, shape (size, size, 3), RGB.
    """
    # By what their light depends on, (seed, blur): flat ones of equal light share its transform.
    groups: dict[tuple, list[tuple[str, LensBlur]]] = {}
    keys = []
    for blur in blurs:
        sampled = blur.sample(image_id)
        keys.append((sampled.linear, sampled.gamma, sampled.brightness, sampled.threshold))
        groups.setdefault(keys[-1], []).append((f"{blur.name}/{image_id}", sampled))
    results = {
        key: iter(blur_light(light_of(photo_u8, group[0][1]), group, size, depth_u8))
        for key, group in groups.items()
    }
    return [next(results[key]) for key in keys]


def blur_light(
    light: np.ndarray, group: Sequence[tuple[str, LensBlur]], size: int, depth_u8: np.ndarray | None
) -> list[np.ndarray]:
    """The pictures, uint8, that each (seed, blur) makes of the same light."""
    scale = light.shape[0] / WIDTH_OF_RADIUS
    lenses = [Lens(blur.radius_px * scale, blur.aperture, blur.fringe) for _, blur in group]
    are_flat = [not blur.depth and blur.layers == 1 for _, blur in group]
    flat = iter(blur_and_average(light, list(compress(lenses, are_flat)), size))
    pictures = []
    for (seed_text, blur), lens, is_flat in zip(group, lenses, are_flat, strict=True):
        if is_flat:
            reduced = next(flat)
        else:
            depth, focus = depth_u8, blur.focus
            if not blur.depth:
                generator = generator_of(f"depth {seed_text}")
                depth, focus = random_depth(len(light), int(blur.layers), generator)
            assert depth is not None
            reduced = blur_by_depth(light, depth, lens, focus=focus, size=size)
        pictures.append(as_photographed(reduced, blur, seed_text))
    return pictures


def light_of(photo_u8: np.ndarray, blur: LensBlur) -> np.ndarray:
    """The light of a photograph, as it enters the lens.

    Highlights are the pixels whose luma (Rec. 709 weights, encoded values) reaches the threshold;
    their light is multiplied by 1 + brightness / 10. It may exceed white, and is clipped only
    after the blur: this is what turns a small lamp into a bright disc.

    Returns the photograph itself, uint8, where nothing changes its values; otherwise float32, the
    same shape, 255 = white.
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


def as_photographed(light: np.ndarray, blur: LensBlur, seed_text: str) -> np.ndarray:
    """The picture that a camera would write: encoded, with grain, sharpened and compressed.

    Takes light as `light_of` gives it, blurred and reduced: float32, (size, size, 3), 255 = white.
    Returns uint8, the same shape, RGB, encoded. The grain depends on `seed_text`.
    """
    values = light
    if blur.linear and blur.gamma:
        values = np.maximum(light / 255, 0) ** np.float32(1 / blur.gamma) * 255
    elif blur.linear:
        values = linear_to_srgb(light / 255) * 255
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


def generator_of(seed_text: str) -> np.random.Generator:
    """Random numbers that depend only on a text, on any machine."""
    digest = hashlib.sha256(seed_text.encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def grain(seed_text: str, values: np.ndarray, blur: LensBlur) -> np.ndarray:
    """Random offsets to add to encoded values at the size that is written.

    A lens blurs the scene, not the noise of the film or sensor. Of gaussian grain `noise` is the
    standard deviation in percent of 255 levels, of uniform grain the largest offset; of photon
    grain the standard deviation at white, which falls with the root of the value. Where coarseness
    smooths it, its strength stays.

    Returns float32, (size, size, 3), or (size, size, 1) if the same for all channels of a pixel,
    255 = white. The same `seed_text` gives the same grain everywhere.
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


def encode_jpeg(picture_u8: np.ndarray, quality: int, subsampled: bool = False) -> bytes:
    """The bytes of a JPEG file, the same on every call, of a picture: uint8, (H, W, 3), RGB.

    Quality is 1 to 100; `subsampled` halves the resolution of chroma (4:2:0).
    """
    full, half = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    settings += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, half if subsampled else full]
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(picture_u8, cv2.COLOR_RGB2BGR), settings)
    return encoded.tobytes()
