"""Files as FFHQ and its mirror have them, made in code: images, the metadata, tars."""

import functools
import hashlib
import io
import json
import tarfile

import numpy as np
from PIL import Image


@functools.cache
def image_bytes(number: int, image_format: str = "PNG", side_px: int = 1024) -> bytes:
    """A small file: one flat color, and a patch of noise that no other image has."""
    noise = np.random.default_rng(number)
    pixels = np.full((side_px, side_px, 3), noise.integers(256, size=3), np.uint8)
    patch = pixels[:64, :64]
    patch[:] = noise.integers(256, size=patch.shape)
    file = io.BytesIO()
    options = {"compress_level": 1} if image_format == "PNG" else {"lossless": True, "method": 0}
    Image.fromarray(pixels).save(file, image_format, **options)
    return file.getvalue()


def drive_id(image_id: str) -> str:
    return f"drive_id-of-{image_id}"


def metadata_bytes(num_images: int, image_bytes=image_bytes) -> bytes:
    """FFHQ's metadata for the first images: the same shape, and about as long an entry."""
    return json.dumps({str(n): _entry(n, image_bytes(n)) for n in range(num_images)}).encode()


def _entry(number: int, data: bytes) -> dict:
    image_id = f"{number:05d}"
    with Image.open(io.BytesIO(data)) as image:
        size_px, pixels = image.size, image.convert("RGB").tobytes()
    return {
        "category": "training" if number < 60000 else "validation",
        "metadata": {
            "photo_url": f"https://photos.example/{number}",
            "photo_title": 'A title, with "quotes"',
            "author": f"Author {number} \u00e9",
            "license": "Attribution License",
            "license_url": "https://creativecommons.org/licenses/by/2.0/",
        },
        "image": {
            "file_url": f"https://drive.google.com/uc?id={drive_id(image_id)}",
            "file_path": f"images1024x1024/{image_id[:2]}000/{image_id}.png",
            "file_size": len(data),
            "file_md5": hashlib.md5(data).hexdigest(),
            "pixel_size": list(size_px),
            "pixel_md5": hashlib.md5(pixels).hexdigest(),
        },
        "in_the_wild": {"face_landmarks": [[n + 0.5, n + 0.25] for n in range(180)]},
    }


def tar_bytes(members: list[tuple[str, bytes]], links: dict[str, str] | None = None) -> bytes:
    """A tar of named files and, before them, symbolic links."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, target in (links or {}).items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            tar.addfile(link)
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return file.getvalue()
