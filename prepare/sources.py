"""Where originals come from: FFHQ, a folder of photographs, or pictures drawn on the spot.

A source is a generator of `Original`s, each ready to be read. It is pulled until enough of them
could be used, so it may offer more than is asked for and never does work that nobody wants.
"""

import functools
import io
import itertools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as PillowImage
from tqdm import tqdm

from prepare import PrepareError
from prepare.drawing.sample import drawn
from prepare.ffhq.local_copy import ffhq_copy_originals, images_folder, is_ffhq_copy
from prepare.ffhq.metadata import (
    FACIAL_RECOGNITION_NOTICE,
    NUM_FFHQ_IMAGES,
    FfhqSettings,
    wanted_ids,
)
from prepare.ffhq.source import FfhqDownload, readable
from prepare.folder import LinkFolder, NoPhotographsError, folder_originals
from prepare.originals import Original, paths_by_id
from prepare.records.data_folder import ImageRecord
from prepare.records.files import write_bytes
from prepare.records.settings import require

FFHQ_SOURCES = frozenset({"ffhq", "drive", "mirror"})


@dataclass(frozen=True)
class SourceSettings:
    """Which originals are wanted."""

    source: str  # "ffhq", "drive", "mirror", "folder" or "sample"
    num_images: int  # in all
    from_dir: Path | None  # the photographs of source "folder"
    keep: bool  # whether downloads and drawings stay once their pairs are made
    seed: int  # of drawn pictures
    ffhq: FfhqSettings


class DiskTooSmallError(PrepareError):
    """The disk cannot take what is asked for."""


class MixedSourcesError(PrepareError):
    """A data folder would hold images of two kinds."""


def originals_from(
    wanted: SourceSettings, originals_dir: Path, done_ids: Collection[str]
) -> Iterator[Original]:
    """Originals of a source, the wanted ones first, without those that are done.

    Args:
        wanted: which originals.
        originals_dir: holds one folder a source.
        done_ids: ids that need not be offered again.

    Raises:
        PrepareError: if the source has nothing, or the disk is too small for it.
    """
    if wanted.source == "sample":
        return sample_originals(originals_dir / "sample", wanted.seed, done_ids)
    if wanted.source in FFHQ_SOURCES:
        return fetched_originals(wanted, originals_dir, done_ids)
    if wanted.from_dir is None:
        raise NoPhotographsError("SOURCE=folder needs FROM=.., a folder of photographs")
    folder, num_images = originals_dir / "folder", wanted.num_images
    if is_ffhq_copy(wanted.from_dir):
        LinkFolder(folder).link("images1024x1024", images_folder(wanted.from_dir).resolve())
        return ffhq_copy_originals(folder, num_images, wanted.ffhq.ids, done_ids)
    return folder_originals(wanted.from_dir, folder, num_images, done_ids)


def fetched_originals(
    wanted: SourceSettings, originals_dir: Path, done_ids: Collection[str]
) -> Iterator[Original]:
    """FFHQ's photographs as they arrive, once it has been said what that takes.

    Raises:
        DiskTooSmallError: before anything is fetched.
    """
    download = FfhqDownload(wanted.ffhq, originals_dir, wanted.num_images, done_ids)
    plan = download.plan()
    if plan.num_files:
        print(FACIAL_RECOGNITION_NOTICE)
        print(plan.described())
        if wanted.keep and plan.disk_bytes > plan.free_bytes:
            raise DiskTooSmallError(
                f"the disk of {originals_dir} has {readable(plan.free_bytes)} free, and "
                f"{readable(plan.disk_bytes)} are needed; ask for fewer (N=...), for another place "
                "(DATA=...), or drop each original once its pairs are made (KEEP=0)"
            )
    with tqdm(
        desc="download",
        unit="B",
        unit_scale=True,
        total=plan.download_bytes or None,
        disable=None if plan.num_files else True,
        leave=False,
    ) as progress:

        def count(num_bytes: int) -> None:
            progress.update(num_bytes)

        yield from download.originals(report=tqdm.write, on_bytes=count)


def check_wanted(wanted: SourceSettings) -> None:
    """Raises SettingError if there are no such images in FFHQ."""
    is_ffhq = wanted.source in FFHQ_SOURCES
    expected = f"between 1 and {NUM_FFHQ_IMAGES} (the size of FFHQ)"
    require(
        not is_ffhq or 1 <= wanted.num_images <= NUM_FFHQ_IMAGES,
        "num_images",
        expected,
        wanted.num_images,
    )
    wanted_ids(wanted.ffhq.ids, wanted.num_images)


def check_same_source(images: Mapping[str, ImageRecord], manifest_path: Path, source: str) -> None:
    """Makes sure that drawn and real pictures, say, do not mix unnoticed.

    Raises:
        MixedSourcesError: if a manifest holds images of another kind than the source's.
    """
    kind = FFHQ_SOURCES if source in FFHQ_SOURCES else {source}
    others = sorted({image.source for image in images.values()} - kind)
    if others:
        raise MixedSourcesError(
            f"{manifest_path} holds images from {', '.join(others)}, now asked for {source}; use "
            "another data folder (DATA=...) or run `make clean-pairs` first"
        )


def count_missing(wanted: SourceSettings, num_known: int, done_ids: Collection[str]) -> int:
    """How many pairs are still to be made, given those that are complete.

    FFHQ's images are wanted by id. Of other sources any `num_images` will do, and the `num_known`
    in the manifest count as wanted, so that a new blurred set is made for all of them.

    Raises:
        SettingError: if the ids cannot be read.
    """
    if wanted.ffhq.ids or wanted.source in FFHQ_SOURCES:
        return len(set(wanted_ids(wanted.ffhq.ids, wanted.num_images)) - set(done_ids))
    return max(wanted.num_images, num_known) - len(done_ids)


def originals_at_hand(
    originals_dir: Path, images: Mapping[str, ImageRecord], done_ids: Collection[str]
) -> list[Original]:
    """The originals of a manifest's images that are not in `done_ids`, where they lie on disk."""
    is_ffhq = any(image.source in FFHQ_SOURCES for image in images.values())
    source = "ffhq" if is_ffhq else next((image.source for image in images.values()), "")
    paths = paths_by_id(originals_dir, source)
    return [
        Original(
            image.id,
            paths.get(image.id, originals_dir / image.id),
            image.source,
            problem="" if image.id in paths else "the original is gone",
        )
        for image in images.values()
        if image.id not in done_ids
    ]


def sample_originals(
    originals_dir: Path, seed: int, done_ids: Collection[str]
) -> Iterator[Original]:
    """Drawn portraits and scenes without end, each drawn when a worker first asks for it."""
    for index in itertools.count():
        image_id = f"sample-{seed}-{index:05d}"
        path = originals_dir / f"{image_id}.png"
        if image_id not in done_ids:
            draw = functools.partial(_draw_sample, path, index, seed)
            yield Original(image_id, path, "sample", materialize=draw)


def _draw_sample(path: Path, index: int, seed: int) -> None:
    if not path.exists():
        buffer = io.BytesIO()
        PillowImage.fromarray(drawn(index, seed)).save(buffer, "PNG", compress_level=1)
        write_bytes(path, buffer.getvalue())
