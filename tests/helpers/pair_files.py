"""Small photographs and matched folders for the tests, all made here."""

import hashlib
import json
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]


def photo_u8(seed, height=64, width=None):
    """A picture with smooth areas, edges and grain; another one for every seed."""
    rng = np.random.default_rng(seed)
    width = width or height
    y, x = np.mgrid[:height, :width] / max(height, width)
    waves = rng.uniform(2, 12, (3, 2)) @ np.stack([y, x]).reshape(2, -1)
    picture = 128 + 70 * np.sin(waves).T.reshape(height, width, 3)
    top, left = rng.integers(0, [height // 2, width // 2])
    picture[top : top + height // 3, left : left + width // 3] = rng.uniform(0, 255, 3)
    return (picture + rng.normal(0, 4, picture.shape)).clip(0, 255).astype(np.uint8)


def write_photos(folder, names, height=64, width=None):
    """Lossless photographs called `names`, each with its own content."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
        Image.fromarray(photo_u8(seed, height, width)).save(folder / name)
    return folder


def write_jpeg(path, picture_u8, quality=95):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture_u8).save(path, quality=quality, subsampling=0)


def picture_bomb():
    """A PNG's header of 30000 x 30000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + crc + bytes(12)


def write_matched_folders(data_dir, ids, size=64, kernels=("disc-r30",), identical=False):
    """Sharp and blurred folders and a manifest (one image in five is for testing).

    Every blurred half is a block average of its sharp half, unless they are to be `identical`.
    """
    lines = []
    for number, image_id in enumerate(ids):
        sharp = photo_u8(number, size)
        write_jpeg(data_dir / "not_blurred_resized" / f"{image_id}.jpg", sharp)
        for halvings, kernel in enumerate(kernels, 1):
            factor = 2**halvings
            blocks = sharp.reshape(size // factor, factor, size // factor, factor, 3).mean((1, 3))
            blurred = np.kron(np.rint(blocks), np.ones((factor, factor, 1))).astype(np.uint8)
            path = data_dir / "blurred_resized" / kernel / f"{image_id}.jpg"
            write_jpeg(path, sharp if identical else blurred)
        split = "test" if number % 5 == 4 else "train"
        sha256 = hashlib.sha256(image_id.encode()).hexdigest()  # no two are alike
        image = {"id": image_id, "split": split, "source": "folder", "sha256": sha256}
        lines.append(json.dumps(image | {"width": size, "height": size}))
    (data_dir / "manifest.jsonl").write_text("".join(line + "\n" for line in lines))
    return data_dir


def read_lines(path):
    """The objects of a file of JSON Lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def tree(folder):
    """Content of every file below a folder, by its path; of a link, where it leads."""
    return {
        str(path.relative_to(folder)): str(path.readlink())
        if path.is_symlink()
        else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }
