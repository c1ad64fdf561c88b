"""Restores files and folders of photographs, and keeps what else is in them.

On 2 cores a megapixel takes about a second with the residual generator. Memory is that of a few
copies of the decoded photograph and of one row of tiles: under 2 GB for 87 megapixels.
"""

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo
from tqdm import tqdm

from prepare.records.atomic import atomic_file
from prepare.records.names import PHOTOGRAPH_SUFFIXES
from train import TrainError
from train.pictures import Restore, write_picture
from train.restore.tiles import num_tiles, restore_any_size

MOST_PIXELS = 400_000_000  # of a photograph; a larger one is taken for a decompression bomb
COMPARISON_PX = 1600  # widest half of a side-by-side picture
ORIENTATION = 0x0112  # EXIF tag; the pixels are turned upright, so the tag must go


class NothingRestoredError(TrainError):
    """A photograph to be restored is missing, cannot be read, or would be overwritten."""


@dataclass
class Photograph:
    """A decoded photograph, upright, and what is kept beside its colors."""

    rgb_u8: np.ndarray  # (height, width, 3)
    alpha_u8: np.ndarray | None  # (height, width), or None if it has no transparency
    gray: bool  # has no colors, and gets none
    kept: dict = field(default_factory=dict)  # exif, icc_profile, dpi: as Pillow's PNG writer
    dropped: list[str] = field(default_factory=list)  # what the result will not hold


def plan(inputs: Sequence[Path], out_dir: Path) -> dict[Path, Path]:
    """Where the restored copy of each photograph goes: from path to path, a PNG of the same name.

    Args:
        inputs: files, and folders whose photographs are taken without those of their subfolders.
        out_dir: of the results.

    Raises:
        NothingRestoredError: if an input is missing, or would be overwritten.
    """
    paths = _photographs(inputs)
    return dict(zip(paths, _targets(paths, out_dir), strict=True))


def deblur(
    restore: Restore,
    planned: Mapping[Path, Path],
    multiple: int,
    *,
    strength: float = 1.0,
    compare: bool = False,
) -> None:
    """Restores photographs to PNG files.

    EXIF, ICC profile, resolution and transparency are kept, and photographs are turned upright;
    what is not kept (more than 8 bits a channel, further frames) is said.

    Args:
        restore: from uint8 (height, width, 3), both divisible by `multiple`, to the same shape.
        planned: see `plan`; folders are made when missing.
        multiple: what the network's input must be a multiple of, pixels.
        strength: 0 leaves the photograph as it is, 1 is fully restored, between is a blend.
        compare: also writes before and after side by side, as `<name>-compare.jpg`.

    Raises:
        NothingRestoredError: if some could not be read, after all others are done.
    """
    failed = []
    for path, target in planned.items():
        try:
            photograph = read_photograph(path)
        except (OSError, SyntaxError, ValueError) as error:
            reason = "not a picture" if isinstance(error, UnidentifiedImageError) else error
            print(f"{path.name}: cannot be read ({reason})")
            failed.append(path.name)
            continue
        restored = _restored(restore, photograph.rgb_u8, multiple, strength, path.name)
        _write(target, photograph, restored)
        if compare:
            comparison_path = target.with_name(f"{target.stem}-compare.jpg")
            write_picture(comparison_path, _side_by_side(photograph.rgb_u8, restored))
        if photograph.dropped:
            print(f"{path.name}: not kept: {', '.join(photograph.dropped)}")
    if failed:
        raise NothingRestoredError(
            f"{len(failed)} of {len(planned)} could not be read ({', '.join(failed[:5])}); the "
            "others are done"
        )


def _restored(
    restore: Restore, photo_u8: np.ndarray, multiple: int, strength: float, name: str
) -> np.ndarray:
    """The restored photograph, blended with the given one; a bar counts tiles."""
    height, width = photo_u8.shape[:2]
    with tqdm(
        total=num_tiles(height, width, multiple), desc=name, unit="tile", disable=None
    ) as progress:

        def restore_tile(tile_u8: np.ndarray) -> np.ndarray:
            result = restore(tile_u8)
            if strength < 1:
                change = strength * (result.astype(np.float32) - tile_u8)
                result = np.rint(tile_u8 + change).astype(np.uint8)
            progress.update()
            return result

        return restore_any_size(restore_tile, photo_u8, multiple)


def read_photograph(path: Path) -> Photograph:
    """Decodes a photograph of up to 400 megapixels.

    Raises:
        OSError: if it cannot be decoded.
        ValueError: if it is larger.
    """
    with _any_size(), Image.open(path) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"{image.width}x{image.height} is over {MOST_PIXELS // 10**6} MP")
        dropped = _dropped(image)
        kept = {name: image.info[name] for name in ("icc_profile", "dpi") if image.info.get(name)}
        exif = image.getexif()
        image.load()
        upright = ImageOps.exif_transpose(image)
    if len(exif):
        exif.pop(ORIENTATION, None)
        kept["exif"] = exif.tobytes()
    if upright.mode in ("CMYK", "YCbCr", "LAB", "HSV") and kept.pop("icc_profile", None):
        dropped.append(f"color profile (of {upright.mode})")
    gray = upright.mode in ("1", "L", "LA") or upright.mode.startswith(("I", "F"))
    alpha = None
    if "A" in upright.getbands() or "transparency" in upright.info:
        upright = upright.convert("RGBA")
        alpha = np.asarray(upright.getchannel("A"))
    if upright.mode.startswith(("I", "F")):
        upright = Image.fromarray(_eight_bits(np.asarray(upright)))
    return Photograph(np.asarray(upright.convert("RGB")), alpha, gray, kept, dropped)


def _eight_bits(gray: np.ndarray) -> np.ndarray:
    """A gray picture of 16 bits, or of anything else by its own brightest value, as uint8."""
    highest = 65535.0 if gray.dtype.kind in "iu" else max(float(gray.max()), 1e-9)
    return np.rint(255.0 * np.clip(gray / highest, 0, 1)).astype(np.uint8)


def _dropped(image: Image.Image) -> list[str]:
    dropped = []
    decoders = " ".join(str(tile[3]) for tile in getattr(image, "tile", []))
    if ";16" in decoders or image.mode.startswith(("I", "F")):
        dropped.append("more than 8 bits a channel")
    if (num_frames := getattr(image, "n_frames", 1)) > 1:
        dropped.append(f"{num_frames - 1} further frames")
    return dropped


@contextlib.contextmanager
def _any_size() -> Iterator[None]:
    """Lifts Pillow's limit of 179 megapixels, and its warning at 89; ours is checked instead."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # damaged EXIF is no reason to stop
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _write(target: Path, photograph: Photograph, restored_u8: np.ndarray) -> None:
    image = Image.fromarray(restored_u8)
    if photograph.gray:
        image = image.convert("L")
    if photograph.alpha_u8 is not None:
        image.putalpha(Image.fromarray(photograph.alpha_u8))
    notes = PngInfo()
    notes.add_text("Software", "Pix2Pix-Deblurrer")
    with atomic_file(target) as file:
        # Level 1 of PNG's compression is four times as fast as 6, for files a tenth larger.
        image.save(file, "PNG", pnginfo=notes, compress_level=1, **photograph.kept)


def _side_by_side(before_u8: np.ndarray, after_u8: np.ndarray) -> np.ndarray:
    """Both pictures, beside each other if upright, else one above the other; reduced if large."""
    halves = []
    for picture in (before_u8, after_u8):
        image = Image.fromarray(picture)
        image.thumbnail((COMPARISON_PX, COMPARISON_PX))
        halves.append(np.asarray(image))
    return np.hstack(halves) if halves[0].shape[0] >= halves[0].shape[1] else np.vstack(halves)


def _targets(paths: Sequence[Path], out_dir: Path) -> list[Path]:
    """Where each photograph's result goes; refuses to overwrite inputs, or one by another."""
    targets = [out_dir / f"{path.stem}.png" for path in paths]
    inputs = {path.resolve() for path in paths}
    for target in targets:
        if target.resolve() in inputs or (target.parent.resolve() / target.name) in inputs:
            raise NothingRestoredError(
                f"{target} would be overwritten; name another folder (OUT=...)"
            )
    doubled = sorted({target.stem for target in targets if targets.count(target) > 1})
    if doubled:
        raise NothingRestoredError(
            f"two photographs have the same name ({doubled[0]}); restore them one at a time"
        )
    return targets


def _photographs(inputs: Sequence[Path]) -> list[Path]:
    paths: list[Path] = []
    for path in inputs:
        if path.is_dir():
            found = sorted(
                each for each in path.iterdir() if each.suffix.lower() in PHOTOGRAPH_SUFFIXES
            )
            if not found:
                raise NothingRestoredError(f"{path} holds no photographs")
            paths += found
        elif path.exists():
            paths.append(path)
        else:
            raise NothingRestoredError(f"{path}: no such file or folder")
    return list(dict.fromkeys(paths))
