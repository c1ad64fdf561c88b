"""What a data folder is told of the pairs that are made: its manifest, and who was rejected."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from prepare.originals import Original
from prepare.records.blur import LensBlur
from prepare.records.data_folder import DataFolder
from prepare.records.files import sync_disk
from prepare.records.journal import Journal
from prepare.records.manifest import (
    ImageRecord,
    forgotten,
    read_manifest,
    read_rejected,
    rejected_key,
    write_lines,
    write_manifest,
    write_rejected,
)

SAVE_EVERY = 200  # images between two savings; a kill costs the records of at most so many
REASONS_AT_ONCE = 8  # of so many reasons one has changed before all are written


class PairRecords:
    """The manifest and the list of the rejected, in memory and, now and then, on the disk.

    Saving takes time in proportion to what is new: the manifest is written once, then its changes
    go to its journal. All reasons are written again each time that they have grown by a share; a
    killed command may lose that share, and the next one finds it again.
    """

    def __init__(self, data: DataFolder, blurs: Sequence[LensBlur]) -> None:
        self.data = data
        self.blurs = blurs
        self.images = read_manifest(data.manifest)
        self.rejected = read_rejected(data.rejected)
        self._journal: Journal | None = None
        self._changes: list[dict] = []  # of the manifest, since they were saved
        self.num_accepted = 0
        self._num_reasons = 0  # since they were saved

    def accept(self, original: Original, image: ImageRecord) -> None:
        """Adds an image whose pictures were written; saves now and then."""
        self.images[image.id] = image
        self._changes.append(asdict(image))
        reason = self.rejected.pop(rejected_key(original.id, original.path), None)
        self._num_reasons += reason is not None
        self.num_accepted += 1
        if self.num_accepted % SAVE_EVERY == 0:
            self._save()

    def forget(self, image_id: str) -> bool:
        """Removes an image; says whether it was there."""
        if self.images.pop(image_id, None) is None:
            return False
        self._changes.append(forgotten(image_id))
        return True

    def reject(self, original: Original, reason: str) -> None:
        """Lists an original that cannot be used."""
        self.rejected[rejected_key(original.id, original.path)] = reason
        self._num_reasons += 1

    def finish(self) -> None:
        """Writes all records anew, and what was drawn for each image, which follows from its id."""
        sync_disk()  # the pictures that they name
        write_manifest(self.data.manifest, self.images)
        write_rejected(self.data.rejected, self.rejected)
        if not self.data.part:  # else once the parts are joined
            write_drawn(self.data, self.blurs, self.images)

    def _save(self) -> None:
        sync_disk()  # the pictures that the records name
        if self._journal is None:
            write_manifest(self.data.manifest, self.images)
            self._journal = Journal(self.data.manifest)
        else:
            self._journal.add(self._changes)
        self._changes = []
        if self._num_reasons * REASONS_AT_ONCE > len(self.rejected):
            write_rejected(self.data.rejected, self.rejected)
            self._num_reasons = 0


def write_drawn(data: DataFolder, blurs: Iterable[LensBlur], ids: Iterable[str]) -> None:
    """Writes what was drawn for each image, for blurs that draw."""
    for blur in blurs:
        if blur.spreads:
            lines = ({"id": i} | blur.drawn_values(i) for i in sorted(ids))
            write_lines(data.blurred / blur.name / "manifest.jsonl", lines)
