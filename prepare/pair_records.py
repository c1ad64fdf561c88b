"""What a data folder is told of the pairs that are made: its manifest, and who was rejected."""

from collections.abc import Iterable, Sequence

from prepare.originals import Original
from prepare.records.blur import LensBlur
from prepare.records.data_folder import (
    HINT,
    DataFolder,
    ImageRecord,
    manifest_log,
    read_manifest,
    read_rejected,
    rejected_key,
    write_manifest,
    write_rejected,
)
from prepare.records.files import sync_disk
from prepare.records.jsonl import JsonLines

SAVE_EVERY = 200  # images between two savings; a kill costs the records of at most so many
REASONS_AT_ONCE = 8  # of so many reasons one has changed before all are written


class PairRecords:
    """The manifest and the list of the rejected, in memory and, now and then, on the disk.

    Saving takes time in proportion to what is new: the manifest is written once, then images are
    added to it, and in the end it is written in order. All reasons are written again each time that
    they have grown by a share; a killed command may lose that share, and the next one finds it
    again.
    """

    def __init__(self, data: DataFolder, blurs: Sequence[LensBlur]) -> None:
        self.data = data
        self.blurs = blurs
        self.images = read_manifest(data.manifest)
        self.rejected = read_rejected(data.rejected)
        self._is_log = False  # whether adding what is unsaved to the manifest is all that it lacks
        self._unsaved: list[ImageRecord] = []
        self.num_accepted = 0
        self._num_reasons = 0  # since they were saved

    def accept(self, original: Original, image: ImageRecord) -> None:
        """Adds an image whose pictures were written; saves those before it now and then.

        Never the last one, which only `finish` saves: who finds all images in the manifest finds
        all records as they should be.
        """
        if self.num_accepted and self.num_accepted % SAVE_EVERY == 0:
            self._save()
        self.images[image.id] = image
        self._unsaved.append(image)
        reason = self.rejected.pop(rejected_key(original.id, original.path), None)
        self._num_reasons += reason is not None
        self.num_accepted += 1

    def forget(self, image_id: str) -> bool:
        """Removes an image; says whether it was there."""
        if self.images.pop(image_id, None) is None:
            return False
        self._is_log = False
        return True

    def reject(self, original: Original, reason: str) -> None:
        """Lists an original that cannot be used."""
        self.rejected[rejected_key(original.id, original.path)] = reason
        self._num_reasons += 1

    def finish(self) -> None:
        """Writes all records anew, and what was drawn for each image, which follows from its id."""
        sync_disk()  # the pictures that they name
        write_rejected(self.data.rejected, self.rejected)
        if not self.data.part:  # else once the parts are joined
            write_drawn(self.data, self.blurs, self.images)
        write_manifest(self.data.manifest, self.images)

    def _save(self) -> None:
        sync_disk()  # the pictures that the records name
        if self._is_log:
            manifest_log(self.data.manifest).append(self._unsaved, sync=True)
        else:
            write_manifest(self.data.manifest, self.images)
        self._is_log, self._unsaved = True, []
        if self._num_reasons * REASONS_AT_ONCE > len(self.rejected):
            write_rejected(self.data.rejected, self.rejected)
            self._num_reasons = 0


def write_drawn(data: DataFolder, blurs: Iterable[LensBlur], ids: Iterable[str]) -> None:
    """Writes what was drawn for each image, for blurs that draw."""
    for blur in blurs:
        if blur.spreads:
            lines = ({"id": i} | blur.sampled_values(i) for i in sorted(ids))
            JsonLines(data.blurred / blur.name / "manifest.jsonl", dict, HINT).rewrite(lines)
