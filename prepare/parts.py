"""Several machines make one data set, each a part of it; here the parts are joined."""

import re
from collections.abc import Callable
from dataclasses import replace

from prepare.originals import paths_by_id
from prepare.pairs import first_ids, remove_pictures, same_bytes_as, write_drawn
from prepare.records.data_folder import (
    DataFolder,
    Part,
    read_manifest,
    read_rejected,
    rejected_key,
    split_of,
    write_manifest,
    write_rejected,
)
from prepare.records.sets import read_kernel


def parts_in(data: DataFolder) -> list[Part]:
    """The parts that have records in a data folder."""
    names = (path.name for path in sorted(data.path.glob("manifest.part-*-of-*.jsonl")))
    found = (re.fullmatch(r"manifest\.part-(\d+)-of-(\d+)\.jsonl", name) for name in names)
    return [Part(int(match[1]), int(match[2])) for match in found if match]


def join_parts(
    data: DataFolder, *, dry_run: bool = False, report: Callable[[str], None] = print
) -> None:
    """Takes the records of the parts that were made in a data folder into those of the whole.

    Nothing is copied: the pictures lie where they belong. Of two photographs with the same bytes
    that two parts put on different sides of the split, the later one is removed. A command that is
    killed at it leaves parts that are joined again.

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
    first, paths = first_ids(images.values()), paths_by_id(data.originals)
    for image in list(images.values()):
        first_id = first[image.sha256]
        if split_of(first_id) != image.split:
            path = paths.get(image.id, data.originals / image.id)
            rejected[rejected_key(image.id, path)] = same_bytes_as(first_id)
            del images[image.id]
            remove_pictures(data, image.id)
    write_rejected(data.rejected, rejected)
    records = (read_kernel(path) for path in data.blurred.glob("*") if path.is_dir())
    write_drawn(data, [record.blur for record in records if record], images)
    write_manifest(data.manifest, images)
    for part in parts:
        for path in (part.rejected, part.manifest, data.path / f".lock.{part.part}"):
            path.unlink(missing_ok=True)
