"""Where originals come from: FFHQ, a folder of photographs, or portraits drawn on the spot.

A source is a generator of `Original`s, each ready to be read. It is pulled until enough of them
could be used, so it may offer more than is asked for and never does work that nobody wants.
"""

import functools
import io
import itertools
import os
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from PIL import Image as PillowImage
from tqdm import tqdm

from prepare import PrepareError
from prepare.drawing.portrait import portrait
from prepare.ffhq.estimate import download_plan
from prepare.ffhq.local_copy import ffhq_copy_originals, images_folder, is_ffhq_copy
from prepare.ffhq.metadata import FACIAL_RECOGNITION_NOTICE, wanted_ids
from prepare.ffhq.settings import NUM_FFHQ_IMAGES, FfhqSettings
from prepare.ffhq.source import ffhq_originals
from prepare.folder import NoPhotographsError, folder_originals, link_to
from prepare.originals import Original
from prepare.records.atomic import write_bytes
from prepare.records.errors import require
from prepare.records.manifest import read_manifest
from prepare.records.names import PHOTOGRAPH_SUFFIXES

FFHQ_SOURCES = frozenset({"ffhq", "drive", "mirror"})


class DiskTooSmallError(PrepareError):
    """The disk cannot take what is asked for."""


class MixedSourcesError(PrepareError):
    """A data folder would hold images of two kinds."""


def originals_from(
    source: str,
    *,
    folder: Path | None,
    originals_dir: Path,
    num_images: int,
    seed: int,
    done_ids: Collection[str],
    ffhq: FfhqSettings,
    keep: bool = True,
) -> Iterator[Original]:
    """Originals of the named source, the wanted ones first, without those in `have`.

    Args:
        source: "ffhq", "drive", "mirror", "folder" or "sample".
        folder: of the photographs, for "folder".
        originals_dir: holds one folder a source.
        num_images: how many are wanted in all.
        seed: of drawn portraits.
        done_ids: ids that need not be offered again.
        ffhq: where FFHQ is fetched from.
        keep: whether downloads stay on disk once they have been used.

    Raises:
        PrepareError: if the source has nothing, or the disk is too small for it.
    """
    if source == "sample":
        return sample_originals(originals_dir / "sample", seed, done_ids)
    if source in FFHQ_SOURCES:
        settings = replace(ffhq, source=source)
        return fetched_originals(settings, originals_dir, num_images, done_ids, keep)
    if folder is None:
        raise NoPhotographsError("SOURCE=folder needs FROM=.., a folder of photographs")
    if is_ffhq_copy(folder):
        link_to(originals_dir / "folder" / "images1024x1024", images_folder(folder).resolve())
        return ffhq_copy_originals(originals_dir / "folder", num_images, ffhq.ids, done_ids)
    return folder_originals(folder, originals_dir / "folder", num_images, done_ids)


def fetched_originals(
    settings: FfhqSettings,
    originals_dir: Path,
    num_images: int,
    done_ids: Collection[str],
    keep: bool,
) -> Iterator[Original]:
    """FFHQ's photographs as they arrive, once it has been said what that takes.

    Raises:
        DiskTooSmallError: before anything is fetched.
    """
    plan = download_plan(settings, originals_dir, num_images, done_ids)
    if plan.num_files:
        print(FACIAL_RECOGNITION_NOTICE)
        print(
            f"{plan.num_files} photographs to fetch: about {_gb(plan.download_bytes)} to download, "
            f"{_gb(plan.disk_bytes)} on disk, {_gb(plan.free_bytes)} free"
        )
        if keep and plan.disk_bytes > plan.free_bytes:
            raise DiskTooSmallError(
                f"the disk of {originals_dir} has {_gb(plan.free_bytes)} free, and "
                f"{_gb(plan.disk_bytes)} are needed; ask for fewer (N=...), for another place "
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
        yield from ffhq_originals(
            settings,
            originals_dir,
            num_images,
            done_ids,
            report=tqdm.write,
            on_bytes=progress.update,
        )


def _gb(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB"


def check_count(source: str, num_images: int) -> None:
    """Raises SettingError if FFHQ has not as many images as are asked for."""
    is_right = source not in FFHQ_SOURCES or 1 <= num_images <= NUM_FFHQ_IMAGES
    expected = f"between 1 and {NUM_FFHQ_IMAGES} (the size of FFHQ)"
    require(is_right, "num_images", expected, num_images)


def check_same_source(manifest_path: Path, source: str) -> None:
    """Makes sure that drawn and real portraits, report, do not mix unnoticed.

    Raises:
        MixedSourcesError: if the manifest holds images of another kind than the source's.
    """
    kind = FFHQ_SOURCES if source in FFHQ_SOURCES else {source}
    others = sorted({image.source for image in read_manifest(manifest_path).values()} - kind)
    if others:
        raise MixedSourcesError(
            f"{manifest_path} holds images from {', '.join(others)}, now asked for {source}; use "
            "another data folder (DATA=...) or run `make clean-pairs` first"
        )


def count_missing(
    source: str, ids: str | None, num_images: int, manifest_path: Path, done_ids: Collection[str]
) -> int:
    """How many pairs are still to be made, given those that are complete.

    FFHQ's images are wanted by id. Of other sources any `num_images` will do, and what is in the
    manifest already counts as wanted, so that a new blurred set is made for all of it.

    Raises:
        SettingError: if `ids` cannot be read.
    """
    if ids or source in FFHQ_SOURCES:
        return len(set(wanted_ids(ids, num_images)) - set(done_ids))
    return max(num_images, len(read_manifest(manifest_path))) - len(done_ids)


def originals_at_hand(
    originals_dir: Path, manifest_path: Path, done_ids: Collection[str]
) -> list[Original]:
    """The originals of a manifest that are not in `have`, where they lie on disk.

    Raises:
        NoPhotographsError: if the manifest has no images yet.
    """
    images = read_manifest(manifest_path)
    if not images:
        raise NoPhotographsError(f"no images in {manifest_path}; run `make dataset` first")
    paths = {
        Path(name).stem: Path(folder, name)
        for folder, _, names in os.walk(originals_dir, followlinks=True)  # FFHQ may be linked in
        for name in names
        if Path(name).suffix.lower() in PHOTOGRAPH_SUFFIXES
    }
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
    """Drawn portraits without end, each drawn when a worker first asks for it."""
    for index in itertools.count():
        image_id = f"sample-{seed}-{index:05d}"
        path = originals_dir / f"{image_id}.png"
        if image_id not in done_ids:
            draw = functools.partial(_draw_portrait, path, index, seed)
            yield Original(image_id, path, "sample", materialize=draw)


def _draw_portrait(path: Path, index: int, seed: int) -> None:
    if not path.exists():
        buffer = io.BytesIO()
        PillowImage.fromarray(portrait(index, seed)).save(buffer, "PNG", compress_level=1)
        write_bytes(path, buffer.getvalue())
