"""Images of a manifest whose photographs have the same bytes, on both sides of the split."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from prepare.records.manifest import ImageRecord, read_manifest


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


def warning_of_doubles(manifest_path: Path) -> str | None:
    """One line on the doubles that an earlier version left in a data folder; None without any.

    Raises:
        DamagedRecordError: if the manifest cannot be read.
    """
    doubles = doubled_ids(read_manifest(manifest_path))
    if not doubles:
        return None
    shown = ", ".join(f"{image_id} is {first_id}" for image_id, first_id in doubles.items())
    return (
        f"warning: {manifest_path} has {len(doubles)} of its photographs on both sides of the "
        f"split ({shown:.100}), so that some test images are learned from; `make dataset` takes "
        "them out"
    )
