"""A copy of FFHQ that someone already has, in NVIDIA's layout: used in place, nothing is copied."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from prepare import PrepareError
from prepare.ffhq.metadata import wanted_ids
from prepare.ffhq.settings import EXTENSIONS, NUM_FFHQ_IMAGES
from prepare.originals import Original


class FfhqCopyError(PrepareError):
    """A copy lacks wanted photographs."""


def is_ffhq_copy(folder: Path) -> bool:
    """Whether a folder, or its images1024x1024, has photographs in NVIDIA's 00000, 01000, ..."""
    root = images_folder(folder)
    thousands = (root / f"{number:05d}" for number in range(0, NUM_FFHQ_IMAGES, 1000))
    return any(
        path.stem.isdigit() and len(path.stem) == 5 and path.stem[:2] == thousand.name[:2]
        for thousand in thousands
        if thousand.is_dir()
        for path in thousand.iterdir()
        if path.suffix in EXTENSIONS
    )


def ffhq_copy_originals(
    folder: Path, num_images: int, ids: str | None = None, done_ids: Collection[str] = ()
) -> Iterator[Original]:
    """The first `num_images` photographs of a copy, or of the chosen ids in it, where they lie.

    Raises:
        FfhqCopyError: after all others came, if the copy holds fewer.
        SettingError: if `ids` cannot be read.
    """
    root, num_found = images_folder(folder), 0
    names: dict[Path, set[str]] = {}  # of the files in each folder of a thousand
    # Without chosen ids a copy with gaps is good for as many as it holds.
    wanted = wanted_ids(ids, NUM_FFHQ_IMAGES if ids is None else num_images)
    for image_id in wanted:
        if num_found == num_images:
            return
        thousand = root / f"{image_id[:2]}000"
        if thousand not in names:
            names[thousand] = set(os.listdir(thousand)) if thousand.is_dir() else set()
        files = (f"{image_id}{extension}" for extension in EXTENSIONS)
        path = next((thousand / file for file in files if file in names[thousand]), None)
        num_found += path is not None
        if path is not None and image_id not in done_ids:
            yield Original(image_id, path, "folder")
    num_wanted = num_images if ids is None else len(wanted)
    if num_found < num_wanted:
        raise FfhqCopyError(
            f"{folder} holds {num_found} of the {num_wanted} images wanted; ask for N={num_found}, "
            "or fetch the others with SOURCE=ffhq"
        )


def images_folder(folder: Path) -> Path:
    """The folder of 00000, 01000, ... in a copy: itself, or its images1024x1024."""
    return folder / "images1024x1024" if (folder / "images1024x1024").is_dir() else folder
