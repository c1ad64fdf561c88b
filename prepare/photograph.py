"""Reads photographs as upright 8-bit sRGB, or says why it cannot; writes JPEG."""

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

MAX_PIXELS = 80_000_000  # 240 MB as RGB; a small file can claim far more
# What the header of a plain file may report: nothing about color, orientation or holes.
PLAIN_INFO = {
    "PNG": {"srgb", "dpi", "chromaticity", "gamma"},
    "WEBP": {"loop", "background", "duration", "timestamp"},
}
SRGB_GAMMA = 1 / 2.2


class UnusablePhotograph(ValueError):  # noqa: N818
    """The file is no photograph we can read without guessing; the message is the reason."""


def read_photograph(path: str | Path) -> np.ndarray:
    """A photograph as it should be seen on an sRGB screen.

    Turned upright by its EXIF orientation; colors with an ICC profile converted to sRGB (relative
    colorimetric, black point compensation); grey made RGB; 16 bits rounded to 8. Reads what Pillow
    reads: PNG, JPEG, WebP, TIFF, BMP and more.

    Args:
        path: file of the photograph.

    Returns:
        uint8, shape (H, W, 3), RGB, sRGB encoded.

    Raises:
        UnusablePhotograph: if the file is no image, damaged or cut off, animated or of several
            pages, has more than MAX_PIXELS pixels, transparent pixels, CMYK without a profile, a
            broken profile, HDR colors, a gamma other than sRGB's, floating-point or 32-bit values.
        OSError: if the file cannot be opened.
    """
    data = Path(path).read_bytes()
    try:
        with Image.open(io.BytesIO(data)) as image:
            _refuse_unusable(image, data)
            photo = _plain(image, data)
            return _decoded(image, data) if photo is None else photo
    except UnidentifiedImageError:
        raise UnusablePhotograph("no image, or of a kind not supported") from None
    except Image.DecompressionBombError:
        raise UnusablePhotograph(f"more than {MAX_PIXELS:,} pixels") from None
    except ImageCms.PyCMSError as error:
        raise UnusablePhotograph(f"unusable color profile ({error})") from error
    except UnusablePhotograph:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError) as error:
        raise UnusablePhotograph(f"damaged or cut off ({error})") from error


def read_depth_map(path: str | Path) -> np.ndarray:
    """A depth map, upright like its photograph: uint8, shape (H, W), 0 near, 255 far.

    Raises:
        UnusablePhotograph: if the file is colored, or for the reasons of `read_photograph`.
        OSError: if the file cannot be opened.
    """
    depth = read_photograph(path)
    if (depth != depth[..., :1]).any():
        raise UnusablePhotograph("a depth map must be grey, this one is colored")
    return np.ascontiguousarray(depth[..., 0])


def square_crop(photo: np.ndarray) -> np.ndarray:
    """The largest square from the middle of a photograph or depth map; not a copy."""
    height, width = photo.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return photo[top : top + side, left : left + side]


def encode_jpeg(photo_u8: np.ndarray, quality: int) -> bytes:
    """JPEG file of an RGB photograph, with chroma at full resolution (4:4:4).

    Args:
        photo_u8: uint8, shape (H, W, 3), RGB.
        quality: 1 to 100.

    Returns:
        The bytes of the file; the same on every call.
    """
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    settings += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(photo_u8, cv2.COLOR_RGB2BGR), settings)
    return encoded.tobytes()


def _refuse_unusable(image: Image.Image, data: bytes) -> None:
    """Raises for what the header alone rules out."""
    if image.width * image.height > MAX_PIXELS:
        raise UnusablePhotograph(f"{image.width}x{image.height}, more than {MAX_PIXELS:,} pixels")
    # Telephones append a preview or a depth map as further pictures: the first one is meant.
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise UnusablePhotograph(f"animated or of several pages ({image.n_frames})")
    if image.mode in ("I", "F", "LAB", "HSV"):
        raise UnusablePhotograph(f"pixels of the kind {image.mode} are not supported")
    if image.format == "PNG" and b"cICP" in data[: data.find(b"IDAT")]:
        raise UnusablePhotograph("colors given by code points (HDR) are not supported")
    gamma = image.info.get("gamma", SRGB_GAMMA)
    marked_otherwise = "srgb" in image.info or "icc_profile" in image.info
    if image.format == "PNG" and abs(gamma - SRGB_GAMMA) > 0.01 and not marked_otherwise:
        raise UnusablePhotograph(f"gamma {gamma:.3f}, not sRGB's")


def _plain(image: Image.Image, data: bytes) -> np.ndarray | None:
    """Fast way for an 8-bit RGB PNG or WebP that needs no conversion, else None."""
    allowed = PLAIN_INFO.get(image.format)
    if allowed is None or image.mode != "RGB" or not set(image.info) <= allowed:
        return None
    if image.format == "PNG" and (data[24] != 8 or b"eXIf" in data):
        return None
    # OpenCV refuses a damaged file with None; Pillow then finds the reason.
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


def _decoded(image: Image.Image, data: bytes) -> np.ndarray:
    """The general way, through Pillow."""
    image.load()
    orientation = image.getexif().get(0x0112, 1)
    profile = image.info.get("icc_profile")
    if _bits(image, data) == 16:
        image = _rounded_to_8_bits(data)
    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in ("RGBA", "LA", "RGBa", "La"):
        image = _without_alpha(image)
    if image.mode == "1":
        image = image.convert("L")
    if profile:
        image = _in_srgb(image, profile)
    elif image.mode == "CMYK":
        raise UnusablePhotograph("CMYK without a color profile")
    image = image.convert("RGB")
    image.getexif()[0x0112] = orientation
    return np.array(ImageOps.exif_transpose(image))


def _bits(image: Image.Image, data: bytes) -> int:
    """Bits of a channel in the file, 8 or 16."""
    if image.mode.startswith("I;16"):
        return 16
    if image.format == "PNG":
        return data[24]
    if image.format == "TIFF":
        return max(image.tag_v2.get(258, (8,)))
    return 8


def _rounded_to_8_bits(data: bytes) -> Image.Image:
    """A 16-bit PNG or TIFF, read by OpenCV: Pillow would cut the lower 8 bits off."""
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None or pixels.dtype != np.uint16:
        raise UnusablePhotograph("16-bit pixels of an unknown layout")
    pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if pixels.ndim == 3:
        order = [2, 1, 0, 3] if pixels.shape[2] == 4 else [2, 1, 0]
        pixels = pixels[..., order]
    return Image.fromarray(np.ascontiguousarray(pixels))


def _without_alpha(image: Image.Image) -> Image.Image:
    """Drops an alpha channel that hides nothing; what lies behind a hole is not ours to guess."""
    if image.getchannel("A").getextrema()[0] < 255:
        raise UnusablePhotograph("transparent pixels; lay it on a background first")
    return image.convert("L" if image.mode in ("LA", "La") else "RGB")


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Colors converted from the embedded profile to sRGB."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    space = source.profile.xcolor_space.strip()
    if {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(space) != image.mode:
        raise UnusablePhotograph(f"a color profile for {space} on {image.mode} pixels")
    return ImageCms.profileToProfile(
        image,
        source,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
