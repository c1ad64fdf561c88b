"""Keeps the two sides of the split apart: no photograph is learned from and tested on."""

from collections.abc import Callable, Iterable, Mapping

from prepare.originals import paths_by_id
from prepare.records.data_folder import (
    DataFolder,
    ImageRecord,
    read_rejected,
    rejected_key,
    split_of,
    write_manifest,
    write_rejected,
)
from prepare.sets import remove_pictures


def first_ids(images: Iterable[ImageRecord]) -> dict[str, str]:
    """The first id that has some bytes, by their SHA-256."""
    first: dict[str, str] = {}
    for image in sorted(images, key=lambda image: image.id):
        first.setdefault(image.sha256, image.id)
    return first


def doubled_ids(images: Mapping[str, ImageRecord]) -> dict[str, str]:
    """Images whose bytes an earlier id has on the other side of the split, and that id."""
    first = first_ids(images.values())
    firsts = {image.id: first[image.sha256] for image in images.values()}
    return {i: firsts[i] for i in sorted(images) if images[firsts[i]].split != images[i].split}


class SplitKeeper:
    """Tells which image had some bytes first, in the order in which it is asked."""

    def __init__(self, images: Iterable[ImageRecord]) -> None:
        self._first = first_ids(images)

    def claim(self, image: ImageRecord | None, known: ImageRecord | None) -> str | None:
        """The image on the other side of the split that has the same bytes, or None.

        Args:
            image: what an original is now, or None if it cannot be used.
            known: what it was before.
        """
        if known and self._first.get(known.sha256) == known.id:
            del self._first[known.sha256]
        if image is None:
            return None
        first = self._first.setdefault(image.sha256, image.id)
        return first if split_of(first) != image.split else None


def remove_doubles(
    data: DataFolder,
    images: dict[str, ImageRecord],
    *,
    dry_run: bool = False,
    report: Callable[[str], None] = print,
) -> None:
    """Takes out of a data folder the doubles that its parts have together.

    Args:
        data: the data folder.
        images: all that its manifest holds; the doubles are taken out of it, too.
        dry_run: says how many, and does nothing.
        report: prints one line.

    Raises:
        DamagedRecordError: if a record cannot be read.
        OSError: if the folder cannot be written.
    """
    doubles = doubled_ids(images)
    if not doubles:
        return
    report(f"{len(doubles)} images stand on both sides of the split: the later ones are removed")
    if dry_run:
        return
    rejected, paths = read_rejected(data.rejected), paths_by_id(data.originals)
    for image_id, first_id in doubles.items():
        path = paths.get(image_id, data.originals / image_id)
        rejected[rejected_key(image_id, path)] = same_bytes_as(first_id)
        del images[image_id]
    write_manifest(data.manifest, images)  # first: what it does not name may lie there
    write_rejected(data.rejected, rejected)
    for image_id in doubles:
        remove_pictures(data, image_id)


def same_bytes_as(first_id: str) -> str:
    """The reason why a double is not used."""
    return f"same bytes as {first_id}, which is on the other side of the split"
