"""Several machines make one data set, each a part of it: which images, and how parts are joined."""

import re
from collections.abc import Callable
from dataclasses import replace

from prepare.ffhq.local_copy import ffhq_copy_originals, is_ffhq_copy
from prepare.ffhq.metadata import wanted_ids
from prepare.folder import photographs_in
from prepare.pair_records import write_drawn
from prepare.records.data_folder import (
    DataFolder,
    Part,
    read_manifest,
    read_rejected,
    write_manifest,
    write_rejected,
)
from prepare.records.sets import read_kernel
from prepare.sources import FFHQ_SOURCES, SourceSettings


def ids_of_part(wanted: SourceSettings, part: Part) -> tuple[set[str], set[str]]:
    """Ids of the images that a part is to make, and of those that it leaves to the others.

    A part makes what it can of the first `num_images` originals. What takes the place of those
    that cannot be used is for the command that joins the parts to find.

    Raises:
        PrepareError: if the source holds fewer originals.
        SettingError: if the ids cannot be read.
    """
    more: list[str] = []
    if wanted.source in FFHQ_SOURCES:
        ids = wanted_ids(wanted.ffhq.ids, wanted.num_images)
    elif wanted.source == "sample":
        ids = [f"sample-{wanted.seed}-{index:05d}" for index in range(wanted.num_images)]
    elif wanted.from_dir and is_ffhq_copy(wanted.from_dir):
        copy = ffhq_copy_originals(wanted.from_dir, wanted.num_images, wanted.ffhq.ids)
        ids = [original.id for original in copy]
    else:
        stems = [path.stem for path in photographs_in(wanted.from_dir)] if wanted.from_dir else []
        ids, more = stems[: wanted.num_images], stems[wanted.num_images :]
    own = {image_id for image_id in ids if part.holds(image_id)}
    return own, {*ids, *more} - own


def join_parts(
    data: DataFolder, *, dry_run: bool = False, report: Callable[[str], None] = print
) -> None:
    """Takes the records of the parts that were made in a data folder into those of the whole.

    Nothing is copied: the pictures lie where they belong. A command that is killed at it leaves
    parts that are joined again.

    Raises:
        DamagedRecordError: if a record cannot be read.
        OSError: if the folder cannot be written.
    """
    parts = [replace(data, part=part) for part in parts_in(data)]
    if not parts:
        return
    report(f"{len(parts)} parts are joined")
    if dry_run:
        return
    images, rejected = read_manifest(data.manifest), read_rejected(data.rejected)
    for part in parts:
        images |= read_manifest(part.manifest)
        rejected |= read_rejected(part.rejected)
    write_manifest(data.manifest, images)
    write_rejected(data.rejected, rejected)
    folders = [path for path in data.blurred.glob("*") if path.is_dir()]
    records = [record for record in map(read_kernel, folders) if record]
    write_drawn(data, [record.blur for record in records], images)
    for part in parts:
        remove_records(part)
        (data.path / f".lock.{part.part}").unlink(missing_ok=True)


def parts_in(data: DataFolder) -> list[Part]:
    """The parts that have records in a data folder."""
    names = (path.name for path in sorted(data.path.glob("manifest.part-*-of-*.jsonl")))
    found = (re.fullmatch(r"manifest\.part-(\d+)-of-(\d+)\.jsonl", name) for name in names)
    return [Part(int(match[1]), int(match[2])) for match in found if match]


def remove_records(data: DataFolder) -> None:
    """Removes the manifest of a part, and who was rejected by it."""
    for path in (data.rejected, data.manifest):
        path.unlink(missing_ok=True)
