"""Writes the matched folders: every original once sharp and once for each blur, in parallel.

What is done is decided by what lies on disk, image by image, so an interrupted call goes on where
it stopped and a repeated one does nothing. The pictures are made in several processes; this one
alone writes, in the order of the originals, so that nothing depends on which is quicker.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from prepare.doubles import SplitKeeper, same_bytes_as
from prepare.originals import Original
from prepare.pair_making import Pictures, make_pictures
from prepare.pair_records import PairRecords
from prepare.photographs.listing import photographs_in
from prepare.photographs.photograph import UnusablePhotograph
from prepare.records.data_folder import DataFolder, ImageRecord
from prepare.records.files import write_bytes
from prepare.sets import SetSettings, remove_pictures
from prepare.workers import in_order

IMAGES_PER_WORKER = 8  # a process takes about as long to start


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
        sets: the blurred sets, all made from one reading of the original.
        keep_sharp: leaves the sharp half as it is, and refuses originals it was not made from.
        drop_below: originals that are files of this folder, not links, are removed once used.

    Returns:
        how many pairs were made: fewer than `num_images` when the originals ran out.

    Raises:
        PrepareError: what the source raised, once everything it had given was made; or if a worker
            was killed.
        OSError: if a picture cannot be written.
    """
    records = PairRecords(data, sets.blurs)
    keeper = SplitKeeper(records.images.values())
    progress = tqdm(total=num_images, unit="image", desc="pairs", disable=None)
    try:
        for original, made in in_order(
            make_pictures,
            _tasks(originals, sets, keep_sharp),
            min(sets.workers, max(1, num_images // IMAGES_PER_WORKER)),
            lambda: num_images - records.num_accepted,
            UnusablePhotograph,
        ):
            try:
                known = records.images.get(original.id)
                image = _write_pictures(original, made, known, keeper, data, sets)
            except UnusablePhotograph as error:
                stale = not original.problem and not keep_sharp
                if stale and records.forget(original.id):
                    remove_pictures(data, original.id)
                records.reject(original, str(error))
                continue
            if drop_below and original.path.resolve().is_relative_to(drop_below.resolve()):
                original.path.unlink()
            records.accept(original, image)
            progress.update()
    finally:
        progress.close()
        records.finish()
    return records.num_accepted


def _tasks(
    originals: Iterable[Original], sets: SetSettings, keep_sharp: bool
) -> Iterator[tuple[Original, tuple]]:
    """Each original, with the arguments of `make_pictures`."""
    depth_maps = _depth_maps_in(sets.depth_dir)
    for original in originals:
        yield original, (original, sets, depth_maps.get(original.id), keep_sharp)


def _write_pictures(
    original: Original,
    made: Pictures | UnusablePhotograph,
    known: ImageRecord | None,
    keeper: SplitKeeper,
    data: DataFolder,
    sets: SetSettings,
) -> ImageRecord:
    """Writes what was made of an original; `known` is what the manifest said of it before."""
    image = made.image if isinstance(made, Pictures) else None
    double_of = None if original.problem else keeper.claim(image, known)
    if isinstance(made, UnusablePhotograph):
        raise made
    if double_of and made.sharp:
        raise UnusablePhotograph(same_bytes_as(double_of))
    if known and known.sha256 != made.image.sha256:
        if made.sharp is None:
            raise UnusablePhotograph(
                "the original changed since its sharp half; run `make dataset`"
            )
        remove_pictures(data, made.image.id)
    if made.sharp is not None:
        write_bytes(data.sharp_path(made.image.id), made.sharp, sync=False)
    for blur, blurred in zip(sets.blurs, made.blurred, strict=True):
        write_bytes(data.blurred_path(blur.name, made.image.id), blurred, sync=False)
    return made.image


def _depth_maps_in(folder: Path | None) -> dict[str, Path]:
    """The depth maps of a folder by the ids that they are named by; of two the first by name."""
    return {path.stem: path for path in reversed(photographs_in(folder) if folder else [])}
