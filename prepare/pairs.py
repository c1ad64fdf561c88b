"""Writes the matched folders: every original once sharp and once for each blur, in parallel.

What is done is decided by what lies on disk, image by image, so an interrupted call goes on where
it stopped and a repeated one does nothing.
"""

import glob
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from prepare import PrepareError
from prepare.lens_blur import blur_and_reduce, reduce_photo
from prepare.manifest import (
    DamagedRecordError,
    Image,
    read_lines,
    read_manifest,
    split_of,
    write_atomically,
    write_lines,
    write_manifest,
)
from prepare.originals import Original
from prepare.photograph import (
    UnusablePhotograph,
    encode_jpeg,
    read_depth_map,
    read_photograph,
    square_crop,
)
from prepare.settings import LensBlur, PairSettings

SAVE_EVERY = 200  # images between two writings of the manifest; a kill costs at most so many


class MixedSettingsError(PrepareError):
    """A folder holds pictures made with other settings than those asked for."""


@dataclass(frozen=True)
class PairFolders:
    """Where a data folder keeps its pairs, and the blurred sets being written."""

    sharp: Path
    blurred: Path  # holds one folder a kernel
    manifest: Path
    rejected: Path

    def sharp_path(self, image_id: str) -> Path:
        return self.sharp / f"{image_id}.jpg"

    def blurred_path(self, blur: LensBlur, image_id: str) -> Path:
        return self.blurred / blur.name / f"{image_id}.jpg"

    def made_at_ns(self, image_id: str) -> int:
        """When the sharp half was last written, in nanoseconds."""
        return self.sharp_path(image_id).stat().st_mtime_ns


def complete_ids(folders: PairFolders, blurs: Sequence[LensBlur]) -> set[str]:
    """Ids in the manifest whose sharp and blurred pictures are all there and whole."""
    return {
        image_id
        for image_id in read_manifest(folders.manifest)
        if _is_whole_jpeg(folders.sharp_path(image_id))
        and all(_is_whole_jpeg(folders.blurred_path(blur, image_id)) for blur in blurs)
    }


def _is_whole_jpeg(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(2)
            file.seek(-2, 2)
            return start == b"\xff\xd8" and file.read(2) == b"\xff\xd9"
    except OSError:
        return False


def claim_folders(
    folders: PairFolders, blurs: Sequence[LensBlur], settings: PairSettings, dry_run: bool = False
) -> None:
    """Writes each set's `kernel.json`, after making sure that no folder would mix two settings.

    Raises:
        MixedSettingsError: if a set was made with other settings, or any set in another size.
        DamagedRecordError: if a set's record cannot be read.
    """
    # As they read back from disk, where a range of radii is a list.
    records = json.loads(json.dumps({each.name: _kernel_record(each, settings) for each in blurs}))
    for folder in sorted(path for path in folders.blurred.glob("*") if path.is_dir()):
        kernel_path = folder / "kernel.json"
        found = _read_kernel_record(kernel_path) if kernel_path.exists() else {}
        wanted = records.get(folder.name, asdict(settings))
        changed = [key for key in wanted if found.get(key) != wanted[key]]
        if changed and any(folder.glob("*.jpg")):
            was = ", ".join(f"{key} {found.get(key, 'unknown')}" for key in changed)
            now = ", ".join(f"{key} {wanted[key]}" for key in changed)
            raise MixedSettingsError(
                f"{folder} was made with {was}, now asked for {now}; use another data folder "
                "(DATA=...) or run `make clean-pairs` first"
            )
    if dry_run:
        return
    for name, record in records.items():
        content = json.dumps(record, indent=2) + "\n"
        write_atomically(folders.blurred / name / "kernel.json", content.encode())


def _read_kernel_record(path: Path) -> dict:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")).items())
    except (ValueError, AttributeError) as error:
        raise DamagedRecordError(
            f"{path} is damaged; run `make clean-pairs`, then `make dataset` makes it again"
        ) from error


def _kernel_record(blur: LensBlur, settings: PairSettings) -> dict:
    return {"kernel": blur.name, **asdict(blur), **asdict(settings), "border": "replicate"}


def write_pairs(
    originals: Iterable[Original],
    *,
    num_images: int,
    blurs: Sequence[LensBlur],
    folders: PairFolders,
    settings: PairSettings,
    workers: int,
    depth_dir: Path | None = None,
    keep_sharp: bool = False,
    drop_below: Path | None = None,
) -> int:
    """Makes the pairs of the first `num_images` originals that can be used.

    Args:
        originals: pulled only as far as needed; one that cannot be used is listed in
            `rejected.jsonl`, and another is taken in its place.
        num_images: how many pairs are wanted.
        blurs: one blurred set for each, all from one reading of the original.
        folders: where everything goes; pictures of the same id are replaced.
        settings: size and quality.
        workers: threads; they spend their time in OpenCV, which lets go of Python's lock.
        depth_dir: holds the depth maps, named by id, for blurs that want them.
        keep_sharp: leaves the sharp half as it is, and refuses originals it was not made from.
        drop_below: originals that are files of this folder, not links, are removed once used.

    Returns:
        how many pairs were made: fewer than `num_images` when the originals ran out.

    Raises:
        PrepareError: what the source raised, once everything it had given was made.
        OSError: if a picture cannot be written.
    """
    cv2.setNumThreads(1)  # the parallelism is over images
    images = read_manifest(folders.manifest)
    rejected = {each["file"]: each for each in read_lines(folders.rejected)}
    num_made = 0

    def make(original: Original) -> Image:
        image, photo = _read_original(original, settings.size)
        _forget_other_versions(images.get(image.id), image, folders, keep_sharp)
        depth = _read_depth(depth_dir, image.id) if depth_dir else None
        blurred_copies = blur_and_reduce(photo, blurs, settings.size, image.id, depth)
        if not keep_sharp:
            sharp = reduce_photo(photo, settings.size)
            write_atomically(folders.sharp_path(image.id), encode_jpeg(sharp, settings.quality))
        for blur, blurred in zip(blurs, blurred_copies, strict=True):
            path = folders.blurred_path(blur, image.id)
            write_atomically(path, encode_jpeg(blurred, settings.quality))
        if drop_below and original.path.resolve().is_relative_to(drop_below.resolve()):
            original.path.unlink()
        return image

    def save() -> None:
        write_manifest(folders.manifest, images)
        for blur in blurs:
            if isinstance(blur.radius_px, tuple):
                drawn = ({"id": each, "radius_px": blur.radius_of(each)} for each in sorted(images))
                write_lines(folders.blurred / blur.name / "manifest.jsonl", drawn)
        write_lines(folders.rejected, (rejected[file] for file in sorted(rejected)))

    progress = tqdm(total=num_images, unit="image", desc="pairs", disable=None)
    try:
        for original, outcome in _until_enough(make, originals, num_images, workers):
            file = os.path.realpath(original.path)
            if isinstance(outcome, Image):
                images[original.id] = outcome
                rejected.pop(file, None)
                num_made += 1
                progress.update()
                if num_made % SAVE_EVERY == 0:
                    save()
            else:
                if not original.problem and not keep_sharp and images.pop(original.id, None):
                    _remove_pictures(original.id, folders)
                rejected[file] = {"id": original.id, "file": file, "reason": str(outcome)}
    finally:
        progress.close()
        save()
    return num_made


def _until_enough(
    make: Callable[[Original], Image], originals: Iterable[Original], num_wanted: int, workers: int
) -> Iterator[tuple[Original, Image | UnusablePhotograph]]:
    """Outcomes as they come, never starting more than can still be wanted."""
    source = iter(originals)
    failure: PrepareError | None = None
    running: dict[Future[Image], Original] = {}
    with ThreadPoolExecutor(workers) as pool:
        try:
            while num_wanted > 0:
                try:
                    for original in islice(source, min(num_wanted, 2 * workers) - len(running)):
                        running[pool.submit(make, original)] = original
                except PrepareError as error:
                    failure = error  # raised below, once what is running has been recorded
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    original = running.pop(future)
                    try:
                        outcome: Image | UnusablePhotograph = future.result()
                        num_wanted -= 1
                    except UnusablePhotograph as error:
                        outcome = error
                    yield original, outcome
        finally:
            pool.shutdown(cancel_futures=True)
    if failure:
        raise failure


def _forget_other_versions(
    known: Image | None, image: Image, folders: PairFolders, keep_sharp: bool
) -> None:
    """Removes the pictures of an original that has changed since they were made."""
    if known is None or known.sha256 == image.sha256:
        return
    if keep_sharp:
        raise UnusablePhotograph("the original changed since its sharp half; run `make dataset`")
    _remove_pictures(image.id, folders)


def _remove_pictures(image_id: str, folders: PairFolders) -> None:
    for stale in folders.blurred.glob(f"*/{glob.escape(image_id)}.jpg"):
        stale.unlink()
    folders.sharp_path(image_id).unlink(missing_ok=True)


def _read_depth(depth_dir: Path, image_id: str) -> np.ndarray:
    for path in sorted(depth_dir.glob(f"{glob.escape(image_id)}.*")):
        return square_crop(read_depth_map(path))
    raise UnusablePhotograph(f"has no depth map in {depth_dir}")


def _read_original(original: Original, size: int) -> tuple[Image, np.ndarray]:
    """An original's line of the manifest, and its central square."""
    if original.problem:
        raise UnusablePhotograph(original.problem)
    if original.draw:
        original.draw()
    try:
        sha256 = hashlib.sha256(original.path.read_bytes()).hexdigest()
    except OSError as error:
        raise UnusablePhotograph(f"cannot be opened ({error.strerror})") from error
    photo = read_photograph(original.path)
    height, width = photo.shape[:2]
    if min(height, width) < size:
        raise UnusablePhotograph(
            f"is {width}x{height}, smaller than the {size}x{size} that is written"
        )
    split = split_of(original.id)
    image = Image(original.id, split, original.source, sha256, width, height)
    return image, square_crop(photo)
