"""The work of `make dataset` for every photograph beside its pictures, for `bench_scale`."""

import hashlib
from collections import deque
from pathlib import Path

from prepare.ffhq.metadata import FfhqSettings
from prepare.originals import Original, OwnPhotographs
from prepare.pairs import PairRecords
from prepare.records.data_folder import DataFolder, ImageRecord, split_of
from prepare.sources import SourceSettings, originals_from


def link_photographs(photos: Path, data: DataFolder, num_images: int) -> None:
    """Links each photograph of a flat folder."""
    wanted = SourceSettings("folder", num_images, [photos], True, 0, FfhqSettings())
    photographs = OwnPhotographs(wanted.photographs, data)
    deque(originals_from(wanted, data, (), photographs), maxlen=0)


def record_pairs(data: DataFolder, ids: list[str]) -> None:
    """Writes the manifest, with all savings, as making the pairs of these photographs does."""
    records = PairRecords(data, [])
    for image_id in ids:
        sha256 = hashlib.sha256(image_id.encode()).hexdigest()
        image = ImageRecord(image_id, split_of(image_id), "folder", sha256, 1024, 1024)
        records.accept(Original(image_id, data.originals / image_id, "folder"), image)
    records.finish()
