"""Which pairs and blurred sets of a data folder are there, and with which settings."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from prepare import PrepareError
from prepare.records.blur import LensBlur, OutputSettings
from prepare.records.data_folder import DataFolder
from prepare.records.sets import KernelRecord, read_kernel


@dataclass(frozen=True)
class SetSettings:
    """Which blurred sets are wanted, and how they are made."""

    blurs: Sequence[LensBlur]
    output: OutputSettings
    workers: int  # threads
    depth_dir: Path | None  # depth maps named by id, for blurs that want them


class MixedSettingsError(PrepareError):
    """A folder holds pictures made with other settings than those asked for."""


def complete_ids(ids: Iterable[str], data: DataFolder, blurs: Sequence[LensBlur]) -> set[str]:
    """Those of some ids, all of a manifest, whose pictures, sharp and blurred, are whole."""
    folders = [data.sharp, *(data.blurred / blur.name for blur in blurs)]
    ids = set(ids)
    for folder in map(os.fspath, folders):
        ids = {image_id for image_id in ids if _is_whole_jpeg(f"{folder}/{image_id}.jpg")}
    return ids


def remove_pictures(data: DataFolder, image_id: str) -> None:
    """Removes the pictures of one image, and of no other."""
    folders = [path for path in data.blurred.glob("*") if path.is_dir()]
    for path in [data.sharp_path(image_id), *(folder / f"{image_id}.jpg" for folder in folders)]:
        path.unlink(missing_ok=True)


def _is_whole_jpeg(path: str) -> bool:
    """Whether a file begins and ends as a JPEG; without a buffer, as there are many."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # should it be a pipe
    except OSError:
        return False
    try:
        start = os.read(descriptor, 2)
        os.lseek(descriptor, -2, os.SEEK_END)
        return start == b"\xff\xd8" and os.read(descriptor, 2) == b"\xff\xd9"
    except OSError:
        return False
    finally:
        os.close(descriptor)


def write_kernel_records(data: DataFolder, sets: SetSettings, dry_run: bool = False) -> None:
    """Writes each set's `kernel.json`, after making sure that no folder would mix two settings.

    Raises:
        MixedSettingsError: if a set was made with other settings, or any set in another size.
        DamagedRecordError: if a set's record cannot be read.
    """
    records = {blur.name: KernelRecord(blur, sets.output) for blur in sets.blurs}
    for folder in sorted(path for path in data.blurred.glob("*") if path.is_dir()):
        record = read_kernel(folder)
        if record is None and folder.name not in records:
            continue  # pictures blurred elsewhere, which are the user's
        found = record.content if record else {}
        wanted = records[folder.name].content if folder.name in records else asdict(sets.output)
        changed = [key for key in wanted if found.get(key) != wanted[key]]
        if changed and any(folder.glob("*.jpg")):
            was = ", ".join(f"{key} {found.get(key, 'unknown')}" for key in changed)
            now = ", ".join(f"{key} {wanted[key]}" for key in changed)
            raise MixedSettingsError(
                f"{folder} was made with {was}, now asked for {now}; use another data folder "
                "(DATA=...) or run `make clean-pairs` first"
            )
    for name, record in {} if dry_run else records.items():
        record.write(data.blurred / name)
