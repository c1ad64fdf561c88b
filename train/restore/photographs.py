"""Restores files and folders of photographs, and keeps their metadata.

Results store how they were made. So a stopped call continues where it was, and no file of the user
is overwritten. TensorFlow is needed only if a run's weights are new. The memory holds a few copies
of the decoded photograph and one row of tiles.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from prepare.photographs.photograph import Photograph, UnusablePhotograph, rounded_to_8_bits
from prepare.photographs.reader import photographs_in, read_photograph, shown_name
from prepare.photographs.writer import MARK, source_of, write_photograph
from prepare.records.files import atomic_file, named_errors, remove_old_parts, sha256_of
from prepare.records.progress import counted
from train import TrainError
from train.restore.content import filled
from train.restore.engine import Engine, open_engine
from train.restore.radius_map import described, render_map
from train.restore.restore import BlurMap, Limits, restore
from train.run import PRETRAINED_DIR, Run, find_run

MOST_PIXELS = 400_000_000  # of a photograph; a larger one is taken for a decompression bomb
RESTORE_VERSION = 3  # raised when the same network comes to give other results
COMPARISON_PX = 1600  # widest half of a side-by-side picture
SOFTWARE, DESCRIPTION = 0x0131, 0x010E  # EXIF tags that mark a comparison as ours
OUR_NAME = MARK.decode().split("\0")[1]


class NothingRestoredError(TrainError):
    """A photograph to be restored is missing, cannot be read, or would overwrite another file."""


class Target(NamedTuple):
    """The files that are made from one photograph."""

    source: Path
    result: Path  # PNG
    comparison: Path | None = None  # JPEG, before and after side by side
    radius_map: Path | None = None  # PNG, the blur at each place

    @property
    def files(self) -> list[Path]:
        """All that is written."""
        return [path for path in self[1:] if path]


class Wanted(NamedTuple):
    """How photographs are restored."""

    strength: float = 1.0  # 0 leaves a photograph as it is, 1 restores, between is a blend
    detail: float | None = None  # 0 for none raised, 1 for most; see `train.restore.engine`
    limits_px: Limits | None = None  # of the blur's radius, pixels of the photograph, if known
    masks: Path | None = None  # a picture, white where to restore, or a folder of such by name
    again: bool = False  # also restores what is a result itself
    device: str = "auto"  # "cpu" refuses accelerators; see `train.restore.session`

    def noted(self, weights: str, mask: Path | None) -> str:
        """The note in results."""
        detail = "auto" if self.detail is None else f"{self.detail:g}"
        parts = [f"way {RESTORE_VERSION}", f"strength {self.strength:g}", f"detail {detail}"]
        if self.limits_px:
            parts.append("blur {:g}-{:g}".format(*self.limits_px))
        if mask:
            parts.append(f"mask {sha256_of(mask)}")
        return ", ".join([*parts, f"weights {weights}"])


DEFAULTS = Wanted()


def deblur_photographs(
    places: tuple[Path, str | None, Path],
    targets: Sequence[Target],
    out_dir: Path,
    wanted: Wanted,
    *,
    dry_run: bool = False,
) -> None:
    """Restores photographs of any size and blur with a run's generator.

    Args:
        places: the runs, the name of one or None, the pretrained network; see `find_run`.
        targets: as planned; see `plan`.
        out_dir: that they were planned for.
        wanted: how they are restored.

    Raises:
        TrainError: if there is no run to restore with, or a photograph could not be restored; all
            others are done.
    """
    run, photographs = find_run(*places), counted(len(targets), "photograph")
    if dry_run:
        print(f"{run.name}: {photographs} to restore into {out_dir}")
        return
    engine = open_engine(run, wanted.detail, wanted.device)
    if wanted.limits_px and not engine.radii_px.size:
        raise NothingRestoredError(f"{run.name} does not estimate the blur; leave BLUR out")
    if sets := run.fixed_radius_sets:
        learned = f"{run.name} was trained only on {', '.join(sets)}"
        print(f"{learned} and can make other blur worse; RUN={places[2].name} is for any blur")
    print(f"{run.name}, step {engine.notes['step']}: {photographs} to restore into {out_dir}")
    try:
        with named_errors(out_dir):
            remove_old_parts(out_dir, below=False)
            deblur(engine, targets, wanted)
    except BrokenPipeError:  # of what is printed
        raise
    except OSError as error:
        raise NothingRestoredError(
            f"{error.filename or out_dir} cannot be written ({error.strerror or error}); make room "
            "or name another folder (OUT=...), then run the same command again; results stay"
        ) from error


def deblur(engine: Engine, targets: Sequence[Target], wanted: Wanted = DEFAULTS) -> None:
    """Restores photographs to PNG files, and prints how blurred each one was.

    Results of the same photograph, made in the same way, are not made again. Colors become sRGB, as
    a color-managed viewer shows them; 16 bits stay 16. EXIF, resolution and transparency are kept,
    and photographs are turned upright. What is not kept is printed. The engine must be opened with
    the detail of `wanted`.

    Raises:
        NothingRestoredError: if some could not be restored, after all others are done.
        OSError: if a result cannot be written.
    """
    failed = []
    for target in targets:
        name = shown_name(target.source)
        try:
            deblur_one(engine, target, wanted)
        except (NothingRestoredError, MemoryError) as error:
            memory = "needs more memory than is free; make it smaller, or free some memory"
            print(f"{name}: {memory if isinstance(error, MemoryError) else error}")
            failed.append(name)
    if failed:
        others = "; the others are done" if len(failed) < len(targets) else ""
        raise NothingRestoredError(
            f"{len(failed)} of {len(targets)} could not be restored ({', '.join(failed[:5])}), see "
            f"above{others}"
        )


def deblur_one(engine: Engine, target: Target, wanted: Wanted) -> None:
    """Restores one photograph, unless it was before; OSError if no result can be written."""
    name = shown_name(target.source)
    try:
        mask_path = mask_of(target.source, wanted.masks)
        note = note_of(target.source, wanted.noted(engine.notes["weights"], mask_path))
        if all(noted(path) == note for path in target.files):
            print(f"{name}: already restored in the same way")
            return
        if not wanted.again and noted(target.source):
            raise NothingRestoredError(
                "is a result of `make deblur`; restoring twice makes it worse. Restore the "
                "photograph itself, or add AGAIN=1"
            )
        photograph = read_whole(target.source)
    except (OSError, UnusablePhotograph) as error:
        raise NothingRestoredError(f"cannot be read ({error})") from error
    mask = read_mask(mask_path, photograph.pixels.shape[:2]) if mask_path else None
    how = wanted.strength, name, wanted.limits_px, mask
    restored, blur = restored_pixels(engine, photograph, *how)
    with result_file(target.result, note) as file:
        write_photograph(file, photograph, restored, note)
    if target.comparison:
        before, after = rounded_to_8_bits(photograph.pixels), rounded_to_8_bits(restored)
        write_comparison(target.comparison, before, after, note)
    if target.radius_map and blur:
        pixels = np.asarray(render_map(blur))
        with result_file(target.radius_map, note) as file:
            write_photograph(file, Photograph(pixels), pixels, note)
    if blur:
        print(f"{name}: {described(blur)}")
    elif target.radius_map:
        print(f"{name}: no map, since this network does not estimate the blur")
    if photograph.dropped:
        print(f"{name}: not kept: {', '.join(photograph.dropped)}")


def read_whole(path: Path) -> Photograph:
    """A photograph with its transparency; of an animation, the first frame."""
    return read_photograph(path, max_pixels=MOST_PIXELS, alpha="keep", frames="first")


def restored_pixels(
    engine: Engine, photograph: Photograph, *how: Any
) -> tuple[np.ndarray, BlurMap | None]:
    """A photograph restored as `restore` does it, transparent pixels unchanged; and its blur."""
    pixels, alpha = photograph.pixels, photograph.alpha
    if alpha is None:
        return restore(engine, pixels, *how)
    restored, blur = restore(engine, filled(pixels, alpha > 0), *how)
    return np.where(alpha[..., None] > 0, restored, pixels), blur


def restore_photograph(
    path: str | Path, run: str | Path = PRETRAINED_DIR, strength: float = 1.0
) -> np.ndarray:
    """A photograph of any kind, size and blur, restored as `make deblur` does.

    Args:
        run: folder of the run that restores; by default the pretrained network.
        strength: share of the change that is made, 0..1.

    Returns:
        uint8, or uint16 for 16 bits; (height, width, 3), RGB, sRGB encoded, turned upright.

    Raises:
        OSError, UnusablePhotograph (a ValueError): if the photograph cannot be read.
        TrainError: if the run cannot restore; see `train.restore.engine.open_engine`.
    """
    photograph = read_whole(Path(path))
    return restored_pixels(open_engine(Run(Path(run))), photograph, strength)[0]


def mask_of(source: Path, masks: Path | None) -> Path | None:
    """The mask of a photograph: the one that is named, or that of its name in a folder."""
    if not masks or masks.is_file():
        return masks
    if found := [path for path in photographs_in(masks) if path.stem == source.stem]:
        return found[0]
    raise NothingRestoredError(f"has no mask with its name in {masks}; add one, or name a picture")


def read_mask(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Where to restore a photograph of that height and width, 0..1; float32."""
    try:
        pixels = read_photograph(path, max_pixels=MOST_PIXELS).pixels
    except (OSError, UnusablePhotograph) as error:
        raise NothingRestoredError(f"its mask {path} cannot be read ({error})") from error
    if pixels.shape[:2] != shape:
        sizes = [f"{each[1]}x{each[0]}" for each in (pixels.shape, shape)]
        raise NothingRestoredError(
            f"its mask {path} has {sizes[0]} pixels, the photograph {sizes[1]}; give it the same"
        )
    return pixels.mean(-1, dtype=np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def plan(
    inputs: Sequence[Path],
    out_dir: Path,
    compare: bool = False,
    radius_map: bool = False,
    wanted: Wanted = DEFAULTS,
) -> list[Target]:
    """Where the restored copy of each photograph goes: a PNG of the same name.

    Of photographs that differ in their suffix alone, results have it in their names, too:
    `IMG-jpg.png`, `IMG-heic.png`; and a strength or detail below 1: `IMG-strength-0.5.png`.

    Args:
        inputs: files, and folders whose photographs are taken without those of their subfolders
            and, of the folder of the results, without these.
        out_dir: of the results.
        compare: also plans side-by-side pictures, `<name>-compare.jpg`.
        radius_map: also plans maps of the blur, `<name>-map.png`.
        wanted: how they are restored; its masks have to be there.

    Raises:
        NothingRestoredError: if an input is missing, or a file would be overwritten that is no
            earlier result of the same photograph.
    """
    photographs = find_photographs(inputs, None if wanted.again else out_dir)
    if wanted.masks and not wanted.masks.exists():
        raise NothingRestoredError(f"{wanted.masks}: no such file or folder")
    shares = [("strength", wanted.strength, 1.0), ("detail", wanted.detail, None)]
    num_of_stem = Counter(path.stem.lower() for path in photographs)
    sources = {path.resolve() for path in photographs}
    source_of_file: dict[str, Path] = {}
    targets = []
    for source in photographs:
        alone = num_of_stem[source.stem.lower()] == 1
        stem = source.stem if alone else source.stem + source.suffix.replace(".", "-").lower()
        stem += "".join(f"-{name}-{share:g}" for name, share, usual in shares if share != usual)
        comparison = out_dir / f"{stem}-compare.jpg" if compare else None
        map_path = out_dir / f"{stem}-map.png" if radius_map else None
        target = Target(source, out_dir / f"{stem}.png", comparison, map_path)
        targets.append(target)
        for path in target.files:
            if path.resolve() in sources:
                raise NothingRestoredError(
                    f"{path} would be overwritten; name another folder (OUT=...)"
                )
            other = source_of_file.setdefault(str(path.resolve()).lower(), source)
            if other != source:
                raise NothingRestoredError(
                    f"{other} and {source} would have results of the same name; "
                    "rename one of them, or restore it into another folder (OUT=...)"
                )
            if os.path.lexists(path):
                check_ours(path, note_of(source))
    return targets


def find_photographs(inputs: Sequence[Path], out_dir: Path | None) -> list[Path]:
    """The files among the inputs, and those in the folders among them, each once.

    Of `out_dir`, if that is given, those alone that are no results.
    """
    paths: list[Path] = []
    for path in inputs:
        found = photographs_in(path) if path.is_dir() else [path]
        if out_dir and path.is_dir() and path.resolve() == out_dir.resolve():
            found = [each for each in found if noted(each) is None]
        if not found:
            raise NothingRestoredError(f"{path} holds no photographs")
        if not path.exists():
            raise NothingRestoredError(f"{path}: no such file or folder")
        paths += found
    return list(dict.fromkeys(paths))


def note_of(source: Path, how: str = "") -> str:
    """The note in results: a hash of their photograph, and how they were made."""
    return f"sha256 {sha256_of(source)}; {how}"


def noted(path: Path) -> str | None:
    """The note of a result, "" for none; None if the file is not ours or does not exist."""
    if path.suffix == ".png":
        return source_of(path)
    try:
        with Image.open(path) as image:
            exif = image.getexif()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    return str(exif.get(DESCRIPTION, "")) if exif.get(SOFTWARE) == OUR_NAME else None


def check_ours(path: Path, note: str) -> None:
    """Raises NothingRestoredError for a file that is no result of the photograph of a note."""
    earlier = noted(path) if os.path.lexists(path) else ""
    if earlier is None or (earlier and earlier.split(";")[0] != note.split(";")[0]):
        raise NothingRestoredError(
            f"{path} exists and is no earlier result of this photograph; name another folder "
            "(OUT=...), or move it away"
        )


@contextlib.contextmanager
def result_file(path: Path, note: str) -> Iterator[BinaryIO]:
    """A result to fill; it appears when it is complete, and replaces only an earlier result.

    Raises:
        NothingRestoredError: if a file is there that is no earlier result; see `check_ours`.
    """
    with atomic_file(path, check=partial(check_ours, path, note)) as file:
        yield file


def write_comparison(path: Path, before_u8: np.ndarray, after_u8: np.ndarray, note: str) -> None:
    """Writes both pictures beside each other if upright, else one above the other, as JPEG."""
    images = [Image.fromarray(picture) for picture in (before_u8, after_u8)]
    for image in images:
        image.thumbnail((COMPARISON_PX, COMPARISON_PX))
    width, height = images[0].size
    both = Image.fromarray(np.concatenate([*map(np.asarray, images)], int(height >= width)))
    exif = Image.Exif()
    exif[SOFTWARE], exif[DESCRIPTION] = OUR_NAME, note
    with result_file(path, note) as file:
        both.save(file, "JPEG", quality=95, subsampling=0, exif=exif)
