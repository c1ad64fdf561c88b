"""Converts pixels to sRGB, from an ICC profile, code points, a gamma or named primaries.

8 bits with an ICC profile go through LittleCMS: relative colorimetric, black point compensated. All
else is a matrix between two tone curves, computed here in float, and so are 16 bits, which Pillow's
LittleCMS cannot take; libvips' is up to 19 levels of 255 off where a color leaves sRGB.

References: IEC 61966-2-1 (sRGB); ITU-T H.273 (code points); Lindbloom, "Chromatic Adaptation"
(Bradford); PNG Third Edition, Secs. 11.3.2 and 4.3 (which chunk comes first); ICC.1:2022, Secs. 7.2
(header), 8.3 (matrix profiles), 10.6, 10.18 (curves).
"""

import io
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms

from prepare.photographs.photograph import Decoded, UnusablePhotograph, rounded_to_8_bits
from prepare.records.srgb import linear_to_srgb, srgb_to_linear

Curve = Callable[[np.ndarray], np.ndarray]  # encoded to linear light, both 0 to 1

D65 = (0.3127, 0.3290)
D50_XYZ = np.array([0.9642, 1.0, 0.8249])  # in which ICC profiles connect
SRGB_PRIMARIES = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, *D65)  # x, y of red, green, blue, white
ADOBE_RGB_PRIMARIES = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, *D65)
ADOBE_RGB_GAMMA = 563 / 256
SRGB_GAMMA = 1 / 2.2
SAME_GAMMA = 0.01  # a gAMA this near to sRGB's is written for sRGB
PRIMARIES_OF_CODE = {
    1: SRGB_PRIMARIES,
    2: SRGB_PRIMARIES,  # unspecified
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *D65),
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *D65),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *D65),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *D65),
}
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
CHANNELS_OF_SPACE = {"GRAY": 1, "RGB": 3, "CMYK": 4}


@dataclass(frozen=True, eq=False)
class Colors:
    """How encoded RGB becomes linear sRGB: a tone curve for each channel, then a matrix."""

    curves: tuple[Curve, Curve, Curve]
    matrix: np.ndarray  # (3, 3), from linear RGB to linear sRGB


def in_srgb(decoded: Decoded, is_adobe_rgb: bool) -> np.ndarray:
    """RGB of a decoded file, (H, W, 3), of the dtype that it is stored in.

    Pixels of 16 bits become 8 where their profile has tables, which is noted as dropped.

    Raises:
        UnusablePhotograph: for inks without a profile; if the profile is broken, or for pixels of
            another kind.
    """
    pixels, colors = decoded.pixels, decoded.colors
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if decoded.profile:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(decoded.profile))
            space = profile.profile.xcolor_space.strip()
            if channels != CHANNELS_OF_SPACE.get(space) and (channels, space) != (1, "RGB"):
                raise UnusablePhotograph(f"a color profile for {space} on {channels} channels")
            colors = colors_of_profile(decoded.profile) if pixels.dtype == np.uint16 else None
            if colors is None:
                if pixels.dtype == np.uint16:
                    tables = "more than 8 bits per channel with a color profile that has tables"
                    decoded.dropped.append(tables)
                return by_littlecms(rounded_to_8_bits(pixels), profile, space)
        except (ImageCms.PyCMSError, OSError, TypeError) as error:
            raise UnusablePhotograph(f"unusable color profile ({error})") from error
    elif channels == 4:
        raise UnusablePhotograph("CMYK without a color profile")
    elif colors is None and is_adobe_rgb:
        colors = from_primaries(ADOBE_RGB_PRIMARIES, power_curve(ADOBE_RGB_GAMMA))
    if colors is not None:
        return to_srgb(pixels, colors)
    return np.repeat(pixels[..., None], 3, axis=2) if channels == 1 else pixels


def by_littlecms(pixels: np.ndarray, profile: ImageCms.ImageCmsProfile, space: str) -> np.ndarray:
    """uint8 (H, W, 3), from uint8 of the channels of a color space, or gray."""
    mode = "L" if pixels.ndim == 2 else space
    image = Image.frombytes(mode, pixels.shape[1::-1], np.ascontiguousarray(pixels))
    converted = ImageCms.profileToProfile(
        image if space == "GRAY" else image.convert(space),
        profile,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return np.array(converted)


def to_srgb(pixels: np.ndarray, colors: Colors) -> np.ndarray:
    """(H, W, 3), from (H, W) gray or (H, W, 3), of the same dtype; colors beyond are clipped."""
    highest = np.iinfo(pixels.dtype).max
    levels = np.linspace(0, 1, highest + 1)
    tables = [np.asarray(curve(levels), np.float32) for curve in colors.curves]
    result = np.empty((*pixels.shape[:2], 3), pixels.dtype)
    matrix = colors.matrix.T.astype(np.float32)
    rows = max(1, 1_000_000 // pixels.shape[1])
    for top in range(0, len(pixels), rows):  # in strips, so that memory stays small
        strip = pixels[top : top + rows]
        channels = [strip] * 3 if strip.ndim == 2 else np.moveaxis(strip, 2, 0)
        linear = np.stack([tables[i][channels[i]] for i in range(3)], -1) @ matrix
        encoded = linear_to_srgb(np.clip(linear, 0, 1))
        result[top : top + rows] = np.rint(encoded * highest)
    return result


def from_code_points(primaries: int, transfer: int) -> Colors | None:
    """Colors of H.273 code points; None for sRGB, or if neither is specified."""
    curves: dict[int, Curve] = dict.fromkeys((1, 6, 14, 15), bt709_to_linear)
    curves |= {2: srgb_to_linear, 13: srgb_to_linear, 4: power_curve(2.2), 8: power_curve(1.0)}
    if primaries not in PRIMARIES_OF_CODE or transfer not in curves:
        points = f"{primaries}/{transfer}"
        raise UnusablePhotograph(f"colors of code points {points} (HDR or rare) are not supported")
    if primaries in (1, 2) and transfer in (2, 13):
        return None
    return from_primaries(PRIMARIES_OF_CODE[primaries], curves[transfer])


def png_colors(chunks: Mapping[bytes, bytes]) -> Colors | None:
    """The colors of a PNG without an ICC profile: from cICP, else sRGB, else gAMA with cHRM.

    None for sRGB, which is also assumed for a file without such chunks.
    """
    if len(chunks.get(b"cICP", b"")) == 4:
        code, transfer, coefficients, full_range = chunks[b"cICP"]
        if coefficients != 0 or full_range != 1:
            raise UnusablePhotograph("colors of narrow range or of YCbCr are not supported")
        return from_code_points(code, transfer)
    gamma = int.from_bytes(chunks.get(b"gAMA", b""), "big") / 100_000
    if b"sRGB" in chunks or gamma == 0:
        return None
    if not 0.1 <= gamma <= 10:
        raise UnusablePhotograph(f"gamma {gamma:.5f}")
    primaries: tuple[float, ...] = SRGB_PRIMARIES
    if len(chunks.get(b"cHRM", b"")) == 32:
        stored = np.array(struct.unpack(">8I", chunks[b"cHRM"])) / 100_000  # white comes first
        primaries = (*stored[2:], *stored[:2])
    if np.allclose(primaries, SRGB_PRIMARIES, atol=0.002):
        primaries = SRGB_PRIMARIES
        if abs(gamma - SRGB_GAMMA) <= SAME_GAMMA:
            return None
    return from_primaries(primaries, power_curve(1 / gamma))


def from_primaries(primaries: tuple[float, ...], curve: Curve) -> Colors:
    """Colors of chromaticities x, y of red, green, blue and white, adapted to D65."""
    matrix = np.linalg.inv(rgb_to_xyz(SRGB_PRIMARIES)) @ rgb_to_xyz(primaries)
    return Colors((curve, curve, curve), matrix)


def colors_of_profile(profile: bytes) -> Colors | None:
    """Curves and matrix of an RGB or gray profile; None if it has tables of other kinds."""
    tags = {}
    for i in range(min(struct.unpack_from(">I", profile, 128)[0], 200)):
        name, offset, size = struct.unpack_from(">4sII", profile, 132 + 12 * i)
        tags[name] = profile[offset : offset + size]
    if b"A2B0" in tags or b"A2B1" in tags or profile[20:24] != b"XYZ ":
        return None
    is_gray = b"kTRC" in tags
    names = [b"kTRC"] * 3 if is_gray else [b"rTRC", b"gTRC", b"bTRC"]
    red, green, blue = (profile_curve(tags.get(name, b"")) for name in names)
    if red is None or green is None or blue is None:
        return None
    if is_gray:
        return Colors((red, green, blue), np.eye(3))
    columns = [struct.unpack_from(">3i", tags[name], 8) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    to_d65 = adaptation(D50_XYZ, white_xyz(D65))
    matrix = np.linalg.inv(rgb_to_xyz(SRGB_PRIMARIES)) @ to_d65 @ np.transpose(columns) / 65536
    return Colors((red, green, blue), matrix)


def profile_curve(tag: bytes) -> Curve | None:
    """A profile's tone curve, from encoded to linear; None if it is of another kind."""
    if tag[:4] == b"curv":
        count = struct.unpack_from(">I", tag, 8)[0]
        values = np.frombuffer(tag, ">u2", count, 12)
        if count < 2:
            return power_curve(values[0] / 256 if count else 1.0)
        return lambda encoded: np.interp(encoded, np.linspace(0, 1, count), values / 65535)
    if tag[:4] != b"para" or tag[9] not in (0, 3):  # the kinds that are met
        return None
    stored = struct.unpack_from(">5i" if tag[9] else ">i", tag, 12)
    g, a, b, c, d = (*np.array(stored) / 65536, 1.0, 0.0, 0.0, 0.0)[:5]
    return lambda encoded: np.where(
        encoded >= d, np.maximum(a * encoded + b, 0) ** g, c * encoded
    ).clip(0, 1)


def power_curve(gamma: float) -> Curve:
    """Linear light is the encoded value to the power of `gamma`."""
    return lambda encoded: encoded**gamma


def bt709_to_linear(encoded: np.ndarray) -> np.ndarray:
    """Inverse of the camera's curve of ITU-R BT.709."""
    return np.where(encoded < 0.081, encoded / 4.5, ((encoded + 0.099) / 1.099) ** (1 / 0.45))


def rgb_to_xyz(primaries: tuple[float, ...]) -> np.ndarray:
    """(3, 3), from linear RGB to XYZ whose white is adapted to D65."""
    x, y = np.array(primaries, float).reshape(4, 2).T
    if (y <= 0).any():
        raise UnusablePhotograph("unusable primary colors")
    xyz = np.array([x / y, np.ones(4), (1 - x - y) / y])
    scaled = xyz[:, :3] * np.linalg.solve(xyz[:, :3], xyz[:, 3])
    return adaptation(xyz[:, 3], white_xyz(D65)) @ scaled


def adaptation(white: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(3, 3), Bradford's adaptation of XYZ from one white to another."""
    gains = (BRADFORD @ target) / (BRADFORD @ white)
    return np.linalg.inv(BRADFORD) @ np.diag(gains) @ BRADFORD


def white_xyz(white: tuple[float, float]) -> np.ndarray:
    """XYZ of a chromaticity, of luminance 1."""
    return np.array([white[0] / white[1], 1.0, (1 - white[0] - white[1]) / white[1]])
