"""Writes the matched folders: every original once sharp and once for each blur, in parallel.

What is done is decided by what lies on disk, image by image, so an interrupted call goes on where
it stopped and a repeated one does nothing.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from prepare import PrepareError
from prepare.blur.lens_blur import blur_and_reduce, reduce_photo
from prepare.doubles import SplitKeeper, same_bytes_as
from prepare.originals import Original
from prepare.pair_records import PairRecords
from prepare.photograph import encode_jpeg, read_depth_map, read_u8, square_crop
from prepare.photographs.listing import photographs_in
from prepare.photographs.photograph import UnusablePhotograph
from prepare.records.atomic import write_bytes
from prepare.records.data_folder import DataFolder
from prepare.records.hashing import sha256_of
from prepare.records.manifest import ImageRecord, split_of
from prepare.sets import SetSettings, remove_pictures


@dataclass(frozen=True)
class _Job:
    """What is made of every original."""

    data: DataFolder
    sets: SetSettings
    depth_maps: dict[str, Path]  # by id
    keeper: SplitKeeper
    keep_sharp: bool
    drop_below: Path | None


def write_pairs(
    originals: Iterable[Original],
    num_images: int,
    data: DataFolder,
    sets: SetSettings,
    *,
    keep_sharp: bool = False,
    drop_below: Path | None = None,
) -> int:
    """Makes the pairs of the first `num_images` originals that can be used.

    Args:
        originals: pulled only as far as needed; one that cannot be used, or has the same bytes as
            one on the other side of the split, is listed in `rejected.jsonl`, and another is taken
            in its place.
        num_images: how many pairs are wanted.
        data: where everything goes; pictures of the same id are replaced.
        sets: the blurred sets, all made from one reading of the original. Its workers are threads;
            they spend their time in OpenCV, which lets go of Python's lock.
        keep_sharp: leaves the sharp half as it is, and refuses originals it was not made from.
        drop_below: originals that are files of this folder, not links, are removed once used.

    Returns:
        how many pairs were made: fewer than `num_images` when the originals ran out.

    Raises:
        PrepareError: what the source raised, once everything it had given was made.
        OSError: if a picture cannot be written.
    """
    cv2.setNumThreads(1)  # the parallelism is over images
    records = PairRecords(data, sets.blurs)
    keeper = SplitKeeper(records.images.values())
    job = _Job(data, sets, _depth_maps_in(sets.depth_dir), keeper, keep_sharp, drop_below)
    num_made = 0
    progress = tqdm(total=num_images, unit="image", desc="pairs", disable=None)
    try:
        for original, outcome in _until_enough(job, records, originals, num_images):
            if isinstance(outcome, ImageRecord):
                records.accept(original, outcome)
                num_made += 1
                progress.update()
            else:
                stale = not original.problem and not keep_sharp
                if stale and records.forget(original.id):
                    remove_pictures(data, original.id)
                records.reject(original, str(outcome))
    finally:
        progress.close()
        records.finish()
    return num_made


def _until_enough(
    job: _Job, records: PairRecords, originals: Iterable[Original], num_wanted: int
) -> Iterator[tuple[Original, ImageRecord | UnusablePhotograph]]:
    """Outcomes as they come, never starting more than can still be wanted."""
    source, workers = enumerate(originals), job.sets.workers
    failure: PrepareError | None = None
    running: dict[Future[ImageRecord], Original] = {}
    with ThreadPoolExecutor(workers) as pool:
        try:
            while num_wanted > 0:
                try:
                    free = min(num_wanted, 2 * workers) - len(running)
                    for number, original in islice(source, free):
                        known = records.images.get(original.id)
                        running[pool.submit(_make_pair, job, number, original, known)] = original
                except PrepareError as error:
                    failure = error  # raised below, once what is running has been recorded
                if not running:
                    break
                done = wait(running, return_when=FIRST_COMPLETED).done
                for future in [future for future in running if future in done]:  # in their order
                    original = running.pop(future)
                    try:
                        outcome: ImageRecord | UnusablePhotograph = future.result()
                        num_wanted -= 1
                    except UnusablePhotograph as error:
                        outcome = error
                    yield original, outcome
        finally:
            pool.shutdown(cancel_futures=True)
    if failure:
        raise failure


def _make_pair(
    job: _Job, number: int, original: Original, known: ImageRecord | None
) -> ImageRecord:
    """Writes the pictures of one original; `known` is what the manifest said of it before."""
    output = job.sets.output
    image: ImageRecord | None = None
    try:
        read, photo = _read_original(original, output.size)
        depth = _read_depth(job, read.id) if job.sets.depth_dir else None
        image = read
    finally:
        double_of = job.keeper.claim(number, image, known)
    if double_of and not job.keep_sharp:
        raise UnusablePhotograph(same_bytes_as(double_of))
    _forget_other_versions(known, image, job.data, job.keep_sharp)
    blurred_copies = blur_and_reduce(photo, job.sets.blurs, output.size, image.id, depth)
    if not job.keep_sharp:
        sharp = reduce_photo(photo, output.size)
        write_bytes(job.data.sharp_path(image.id), encode_jpeg(sharp, output.quality), sync=False)
    for blur, blurred in zip(job.sets.blurs, blurred_copies, strict=True):
        path = job.data.blurred_path(blur.name, image.id)
        write_bytes(path, encode_jpeg(blurred, output.quality), sync=False)
    drop_below = job.drop_below
    if drop_below and original.path.resolve().is_relative_to(drop_below.resolve()):
        original.path.unlink()
    return image


def _forget_other_versions(
    known: ImageRecord | None, image: ImageRecord, data: DataFolder, keep_sharp: bool
) -> None:
    """Removes the pictures of an original that has changed since they were made."""
    if known is None or known.sha256 == image.sha256:
        return
    if keep_sharp:
        raise UnusablePhotograph("the original changed since its sharp half; run `make dataset`")
    remove_pictures(data, image.id)


def _depth_maps_in(folder: Path | None) -> dict[str, Path]:
    """The depth maps of a folder by the ids that they are named by; of two the first by name."""
    return {path.stem: path for path in reversed(photographs_in(folder) if folder else [])}


def _read_depth(job: _Job, image_id: str) -> np.ndarray:
    path = job.depth_maps.get(image_id)
    if path is None:
        raise UnusablePhotograph(f"has no depth map in {job.sets.depth_dir}")
    return square_crop(read_depth_map(path))


def _read_original(original: Original, size: int) -> tuple[ImageRecord, np.ndarray]:
    """An original's line of the manifest, and its central square."""
    if original.problem:
        raise UnusablePhotograph(original.problem)
    if original.materialize:
        original.materialize()
    try:
        photo = read_u8(original.path)  # first: it knows which files cannot be read
        sha256 = sha256_of(original.path)
    except OSError as error:
        raise UnusablePhotograph(f"cannot be opened ({error.strerror})") from error
    height, width = photo.shape[:2]
    if min(height, width) < size:
        raise UnusablePhotograph(
            f"is {width}x{height}, smaller than the {size}x{size} that is written"
        )
    split = split_of(original.id)
    image = ImageRecord(original.id, split, original.source, sha256, width, height)
    return image, square_crop(photo)
