"""Where originals come from: FFHQ, folders of photographs, or pictures drawn on the spot.

A source is an iterable of `Original`s, each ready to be read. It is read until enough of them are
usable. So it may offer more than is asked for, and does no unneeded work.
"""

import functools
import io
import itertools
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as PillowImage

from prepare import PrepareError
from prepare.drawing.sample import sample_picture
from prepare.ffhq.local_copy import ffhq_copy_originals, images_folder, is_ffhq_copy
from prepare.ffhq.metadata import NUM_FFHQ_IMAGES, FfhqSettings, wanted_ids
from prepare.ffhq.source import fetched_originals
from prepare.originals import Original, OwnPhotographs, link_or_copy, paths_by_id, photographs_in
from prepare.records.data_folder import DataFolder, ImageRecord, Part
from prepare.records.files import write_bytes
from prepare.records.progress import counted
from prepare.records.settings import require

FFHQ_SOURCES = frozenset({"ffhq", "drive", "mirror"})


@dataclass(frozen=True)
class SourceSettings:
    """The originals to collect."""

    source: str  # "ffhq", "drive", "mirror", "folder" or "sample"
    num_images: int  # in all
    from_dirs: Sequence[Path]  # the photographs of source "folder"
    keep: bool  # whether downloads and drawings stay once their pairs are made
    seed: int  # of drawn pictures
    ffhq: FfhqSettings

    @functools.cached_property
    def ffhq_copy(self) -> Path | None:
        """A copy of FFHQ that somebody has, if that is the folder."""
        is_copy = len(self.from_dirs) == 1 and is_ffhq_copy(self.from_dirs[0])
        return self.from_dirs[0] if self.source == "folder" and is_copy else None

    @functools.cached_property
    def photographs(self) -> list[Path]:
        """The photographs of the user's own folders; none of other sources."""
        return [] if self.source != "folder" or self.ffhq_copy else photographs_in(self.from_dirs)

    def check(self) -> None:
        """Raises SettingError or PrepareError if FFHQ or the folders hold no such images."""
        is_known = self.source not in FFHQ_SOURCES or 1 <= self.num_images <= NUM_FFHQ_IMAGES
        expected = f"between 1 and {NUM_FFHQ_IMAGES} (the size of FFHQ)"
        require(is_known, "num_images", expected, self.num_images)
        wanted_ids(self.ffhq.ids, self.num_images)
        is_folder, given = self.source == "folder", " ".join(map(str, self.from_dirs))
        require(is_folder or not given, "from", "given with --source=folder", given)
        if is_folder and not self.from_dirs:
            raise PrepareError("SOURCE=folder needs FROM=.., a folder of photographs")
        _ = self.photographs


def originals_from(
    wanted: SourceSettings, data: DataFolder, done_ids: Collection[str], photographs: OwnPhotographs
) -> Iterable[Original]:
    """Originals of a source, the wanted ones first, without those that are done.

    Raises:
        PrepareError: if the source has too few, or the disk is too small for it.
    """
    num_images, folder = wanted.num_images, data.originals
    if wanted.source == "sample":
        return sample_originals(folder / "sample", wanted.seed, done_ids)
    if wanted.source in FFHQ_SOURCES:
        return fetched_originals(wanted.ffhq, folder, num_images, done_ids, wanted.keep)
    if wanted.ffhq_copy:
        place = folder / "folder" / "images1024x1024"
        link_or_copy(os.path.realpath(images_folder(wanted.ffhq_copy)), place)
        return ffhq_copy_originals(place.parent, num_images, wanted.ffhq.ids, done_ids)
    to_make = [o for o in photographs.originals if o.problem or o.id not in done_ids]
    if len(done_ids) + len(to_make) < num_images:
        there = f", and {len(done_ids)} pairs are there" if done_ids else ""
        raise PrepareError(
            f"--num-images asks for {num_images}, but --from "
            f"{' '.join(map(str, wanted.from_dirs))} holds "
            f"{counted(len(wanted.photographs), 'photograph')}{there}; add some, or ask for "
            f"N={len(done_ids) + len(to_make)}"
        )
    return map(photographs.linked, to_make)


def check_same_source(images: Mapping[str, ImageRecord], manifest_path: Path, source: str) -> None:
    """Raises PrepareError if a manifest holds images of another kind than the source's."""
    kind = FFHQ_SOURCES if source in FFHQ_SOURCES else {source}
    others = sorted({image.source for image in images.values()} - kind)
    if others:
        raise PrepareError(
            f"{manifest_path} holds images from {', '.join(others)}, now asked for {source}; use "
            "another data folder (DATA=...) or run `make clean-pairs` first"
        )


def count_missing(wanted: SourceSettings, num_known: int, done_ids: Collection[str]) -> int:
    """How many pairs are still to be made, given those that are complete.

    FFHQ's images are chosen by id. For other sources any `num_images` count, and the `num_known` in
    the manifest are always included, so that a new blurred set is made for all of them.
    """
    if wanted.ffhq.ids or wanted.source in FFHQ_SOURCES:
        return len(set(wanted_ids(wanted.ffhq.ids, wanted.num_images)) - set(done_ids))
    return max(wanted.num_images, num_known) - len(done_ids)


def ids_of_part(
    wanted: SourceSettings, part: Part, photographs: OwnPhotographs
) -> tuple[set[str], set[str]]:
    """Ids of the images that a part is to make, and of those that it leaves to the others.

    A part makes what it can from the first `num_images` originals. The command that joins the parts
    replaces those that cannot be used.
    """
    if wanted.source in FFHQ_SOURCES:
        ids = wanted_ids(wanted.ffhq.ids, wanted.num_images)
    elif wanted.source == "sample":
        ids = [sample_id(wanted.seed, index) for index in range(wanted.num_images)]
    elif wanted.ffhq_copy:
        copy = ffhq_copy_originals(wanted.ffhq_copy, wanted.num_images, wanted.ffhq.ids)
        ids = [original.id for original in copy]
    else:
        ids = [original.id for original in photographs.originals]
    own = {image_id for image_id in ids[: wanted.num_images] if part.holds(image_id)}
    return own, set(ids) - own


def originals_at_hand(
    originals_dir: Path, images: Mapping[str, ImageRecord], done_ids: Collection[str]
) -> list[Original]:
    """The originals of a manifest's images that are not in `done_ids`, where they lie on disk."""
    sources = {image.source for image in images.values()}
    source = "ffhq" if sources & FFHQ_SOURCES else next(iter(sources), "")
    paths = paths_by_id(originals_dir, source)
    originals = []
    for image in images.values():
        if image.id not in done_ids:
            problem = "" if image.id in paths else "the original is missing"
            path = paths.get(image.id, originals_dir / image.id)
            originals.append(Original(image.id, path, image.source, problem))
    return originals


def sample_id(seed: int, index: int) -> str:
    """Id of a drawn picture."""
    return f"sample-{seed}-{index:05d}"


def sample_originals(folder: Path, seed: int, done_ids: Collection[str]) -> Iterator[Original]:
    """Drawn portraits and scenes without end, each drawn when a worker first asks for it."""
    for index in itertools.count():
        image_id = sample_id(seed, index)
        path = folder / f"{image_id}.png"
        if image_id not in done_ids:
            draw = functools.partial(draw_sample, path, index, seed)
            yield Original(image_id, path, "sample", materialize=draw)


def draw_sample(path: Path, index: int, seed: int) -> None:
    """Draws a picture and writes it, unless it is there."""
    if not path.exists():
        buffer = io.BytesIO()
        PillowImage.fromarray(sample_picture(index, seed)).save(buffer, "PNG", compress_level=1)
        write_bytes(path, buffer.getvalue())
