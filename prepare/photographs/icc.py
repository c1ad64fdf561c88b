"""Converts pixels with an ICC profile to sRGB: relative colorimetric, black point compensated.

Reference: ICC.1:2022, Secs. 7.2 (header), 8.3 (matrix profiles), 10.6, 10.18 (curves).
"""

import io
import struct

import numpy as np
from PIL import Image, ImageCms

from prepare.photographs.color import Colors, Curve, power_curve, srgb_from_d50_xyz, to_srgb
from prepare.photographs.photograph import Decoded, UnusablePhotograph, rounded_to_8_bits

SPACES = {"GRAY": 1, "RGB": 3, "CMYK": 4}


def profile_to_srgb(decoded: Decoded) -> np.ndarray:
    """RGB of a decoded file that has a profile, (H, W, 3).

    Returns:
        uint16 if the pixels are and the profile is a matrix between curves; of any other profile
        8 bits, which is noted as dropped.

    Raises:
        UnusablePhotograph: if the profile is broken or for pixels of another kind.
    """
    pixels, profile = decoded.pixels, decoded.profile or b""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
    except (ImageCms.PyCMSError, OSError, TypeError) as error:
        raise UnusablePhotograph(f"unusable color profile ({error})") from error
    if channels == 1 and space == "RGB":
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    elif SPACES.get(space) != channels:
        raise UnusablePhotograph(f"a color profile for {space} on {channels} channels")
    if pixels.dtype == np.uint16:
        colors = _matrix_colors(profile)
        if colors is not None:
            return to_srgb(pixels, colors)
        decoded.dropped.append("more than 8 bits a channel (their color profile has tables)")
        pixels = rounded_to_8_bits(pixels)
    return _by_littlecms(pixels, source)


def _by_littlecms(pixels: np.ndarray, source: ImageCms.ImageCmsProfile) -> np.ndarray:
    """uint8 (H, W, 3), from uint8 of one, three or four channels."""
    mode = "L" if pixels.ndim == 2 else {3: "RGB", 4: "CMYK"}[pixels.shape[2]]
    image = Image.frombytes(mode, pixels.shape[1::-1], np.ascontiguousarray(pixels))
    try:
        converted = ImageCms.profileToProfile(
            image,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except ImageCms.PyCMSError as error:
        raise UnusablePhotograph(f"unusable color profile ({error})") from error
    return np.array(converted)


def _matrix_colors(profile: bytes) -> Colors | None:
    """Curves and matrix of an RGB or gray profile; None if it has tables of other kinds."""
    tags = {}
    for i in range(min(struct.unpack_from(">I", profile, 128)[0], 200)):
        name, offset, size = struct.unpack_from(">4sII", profile, 132 + 12 * i)
        tags[name] = profile[offset : offset + size]
    if b"A2B0" in tags or b"A2B1" in tags or profile[20:24] != b"XYZ ":
        return None
    if b"kTRC" in tags:
        curve = _curve(tags[b"kTRC"])
        return curve and Colors((curve, curve, curve), np.eye(3))
    wanted = [b"rTRC", b"gTRC", b"bTRC", b"rXYZ", b"gXYZ", b"bXYZ"]
    if not all(name in tags for name in wanted):
        return None
    red, green, blue = (_curve(tags[name]) for name in wanted[:3])
    if red is None or green is None or blue is None:
        return None
    columns = [np.array(struct.unpack_from(">3i", tags[name], 8)) / 65536 for name in wanted[3:]]
    return Colors((red, green, blue), srgb_from_d50_xyz() @ np.stack(columns, 1))


def _curve(tag: bytes) -> Curve | None:
    """A tone curve from encoded to linear."""
    if tag[:4] == b"curv":
        count = struct.unpack_from(">I", tag, 8)[0]
        if count == 0:
            return power_curve(1.0)
        values = np.frombuffer(tag, ">u2", count, 12)
        if count == 1:
            return power_curve(values[0] / 256)
        return lambda encoded: np.interp(encoded, np.linspace(0, 1, count), values / 65535)
    if tag[:4] != b"para" or tag[8:10] > b"\0\4":
        return None
    kind = tag[9]
    num_values = (1, 3, 4, 5, 7)[kind]
    g, *rest = np.array(struct.unpack_from(f">{num_values}i", tag, 12)) / 65536
    a, b, c, d, e, f = _all_parameters(kind, rest)

    def parametric(encoded: np.ndarray) -> np.ndarray:
        power = np.maximum(a * encoded + b, 0) ** g + e
        return np.clip(np.where(encoded >= d, power, c * encoded + f), 0, 1)

    return parametric


def _all_parameters(kind: int, rest: list[float]) -> tuple[float, ...]:
    """a, b, c, d, e, f of the general form (kind 4), for each kind (Table 68)."""
    if kind == 0:
        return 1.0, 0.0, 0.0, 0.0, 0.0, 0.0
    if kind in (1, 2):
        a, b = rest[:2]
        offset = rest[2] if kind == 2 else 0.0
        return a, b, 0.0, -b / a if a else 0.0, offset, offset
    a, b, c, d = rest[:4]
    return a, b, c, d, *(rest[4:] or (0.0, 0.0))
