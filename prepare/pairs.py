"""Finds the missing pairs, makes them in parallel, and writes them.

The files on disk decide what is missing, image by image. So an interrupted call continues where it
stopped, and a repeated call does nothing. Several processes make the pictures. Only this one writes
them, in the order of the originals, so that the result does not depend on which process is faster.
"""

import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace

from prepare import PrepareError
from prepare.originals import Original, SeenPhotograph, paths_by_id, seen_photographs
from prepare.photographs.photograph import UnusablePhotograph
from prepare.photographs.reader import photographs_in
from prepare.pictures import Pictures, make_pictures
from prepare.records.blur import LensBlur, SetSettings
from prepare.records.data_folder import (
    HINT,
    DataFolder,
    ImageRecord,
    Part,
    Rejection,
    manifest_log,
    read_manifest,
    read_rejected,
    rejected_key,
    split_of,
    write_manifest,
    write_rejected,
)
from prepare.records.files import BINARY, NO_WAIT, write_bytes
from prepare.records.jsonl import JsonLines
from prepare.records.progress import Progress
from prepare.records.sets import KernelRecord, read_kernel
from prepare.workers import in_order

IMAGES_PER_WORKER = 8  # a process takes about as long to start
SAVE_EVERY = 200  # images between two savings; a kill costs the records of at most so many


def complete_ids(ids: Iterable[str], data: DataFolder, blurs: Sequence[LensBlur]) -> set[str]:
    """The ids of a manifest whose pictures, sharp and blurred, are complete."""
    folders = [data.sharp, *(data.blurred / blur.name for blur in blurs)]
    ids = set(ids)
    for folder in map(os.fspath, folders):
        ids = {image_id for image_id in ids if is_whole_jpeg(f"{folder}/{image_id}.jpg")}
    return ids


def is_whole_jpeg(path: str) -> bool:
    """Whether a file begins and ends as a JPEG; without a buffer, as there are many."""
    try:
        descriptor = os.open(path, os.O_RDONLY | NO_WAIT | BINARY)  # should it be a pipe
        with open(descriptor, "rb", buffering=0) as file:
            start = file.read(2)
            file.seek(-2, os.SEEK_END)
            return start == b"\xff\xd8" and file.read(2) == b"\xff\xd9"
    except OSError:
        return False


def write_kernel_records(data: DataFolder, sets: SetSettings, dry_run: bool = False) -> None:
    """Writes each set's `kernel.json`, after making sure that no folder would mix two settings.

    Raises:
        PrepareError: if a set was made with other settings, or any set in another size.
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
            raise PrepareError(
                f"{folder} was made with {was}, now asked for {now}; use another data folder "
                "(DATA=...) or run `make clean-pairs` first"
            )
    for name, record in {} if dry_run else records.items():
        record.write(data.blurred / name)


def write_pairs(
    originals: Iterable[Original],
    num_images: int,
    data: DataFolder,
    sets: SetSettings,
    *,
    keep_sharp: bool = False,
    keep_originals: bool = True,
) -> int:
    """Makes the pairs of the first `num_images` usable originals; returns their number.

    They are fewer when the originals run out. One that cannot be used, or has the same bytes as one
    on the other side of the split, is listed in `rejected.jsonl`, and another takes its place.

    Args:
        originals: pulled only as far as needed.
        data: where everything goes; pictures of the same id are replaced.
        sets: the blurred sets, all made from one reading of the original.
        keep_sharp: leaves the sharp half as it is, and refuses originals it was not made from.
        keep_originals: otherwise downloaded and drawn ones are removed after use; linked files stay
            where they are.

    Raises:
        PrepareError: of the source, after all that it gave was made; or if a worker was killed.
    """
    depth_maps = photographs_in(sets.depth_dir) if sets.depth_dir else []
    depth_by_id = {path.stem: path for path in reversed(depth_maps)}  # of two the first by name
    records = PairRecords(data, sets.blurs)
    our_originals = data.originals.resolve()
    progress = Progress(name="pairs", total=num_images, unit="image")
    try:
        for original, made in in_order(
            make_pictures,
            ((each, (each, sets, depth_by_id.get(each.id), keep_sharp)) for each in originals),
            min(sets.workers, max(1, num_images // IMAGES_PER_WORKER)),
            lambda: num_images - records.num_accepted,
            UnusablePhotograph,
        ):
            if reason := records.why_unusable(original, made):
                if not original.problem and not keep_sharp and records.forget(original.id):
                    remove_pictures(data, original.id)
                records.reject(original, reason)
                continue
            known = records.images.get(original.id)
            if known and known.sha256 != made.image.sha256:
                remove_pictures(data, original.id)
            if made.sharp is not None:
                write_bytes(data.sharp_path(original.id), made.sharp, sync=False)
            for blur, blurred in zip(sets.blurs, made.blurred, strict=True):
                write_bytes(data.blurred_path(blur.name, original.id), blurred, sync=False)
            is_ours = original.source != "folder" and not keep_originals
            if is_ours and original.path.resolve().is_relative_to(our_originals):
                original.path.unlink()
            records.accept(original, made.image)
            progress.update()
    finally:
        progress.close()
        records.finish()
    return records.num_accepted


def remove_pictures(data: DataFolder, image_id: str) -> None:
    """Removes the pictures of one image, and of no other."""
    for folder in [data.sharp, *(path for path in data.blurred.glob("*") if path.is_dir())]:
        (folder / f"{image_id}.jpg").unlink(missing_ok=True)


class PairRecords:
    """The records of a data folder, in memory and, now and then, on the disk.

    They are written once, then appended to, and written in order at the end.
    """

    def __init__(self, data: DataFolder, blurs: Sequence[LensBlur]) -> None:
        self.data, self.blurs = data, blurs
        self.images, self.rejected = read_manifest(data.manifest), read_rejected(data.rejected)
        self.seen = {photograph.id: photograph for photograph in seen_photographs(data).read()}
        self.first_ids = first_ids(self.images.values())
        self.num_accepted = 0
        self.is_log = False  # whether adding what is new to the records is all that they lack
        self.new_images: list[ImageRecord] = []
        self.new_reasons: list[Rejection] = []
        self.new_seen: list[SeenPhotograph] = []

    def why_unusable(self, original: Original, made: Pictures | UnusablePhotograph) -> str:
        """Why the pictures of an original are not used; "" if they are.

        Of two with the same bytes on different sides of the split the second is not: no photograph
        is learned from and tested on.
        """
        if isinstance(made, UnusablePhotograph):
            return str(made)
        image, known = made.image, self.images.get(original.id)
        if made.sharp is None and known and known.sha256 != image.sha256:
            return "the original was changed after its sharp half was made; run `make dataset`"
        if made.sharp is None:
            return ""
        self.release(known)
        first_id = self.first_ids.setdefault(image.sha256, image.id)
        return "" if split_of(first_id) == image.split else same_bytes_as(first_id)

    def release(self, image: ImageRecord | None) -> None:
        """Lets another image have the bytes that one had first."""
        if image and self.first_ids.get(image.sha256) == image.id:
            del self.first_ids[image.sha256]

    def accept(self, original: Original, image: ImageRecord) -> None:
        """Adds an image whose pictures were written; sometimes saves the earlier ones.

        `finish` saves the last, so that a complete manifest means complete records.
        """
        if self.num_accepted and self.num_accepted % SAVE_EVERY == 0:
            self.save()
        self.images[image.id] = image
        self.new_images.append(image)
        if self.rejected.pop(rejected_key(original.id, original.path), None) is not None:
            self.is_log = False
        if original.state:
            self.seen[image.id] = SeenPhotograph(image.id, image.sha256, original.state)
            self.new_seen.append(self.seen[image.id])
        self.num_accepted += 1

    def forget(self, image_id: str) -> bool:
        """Removes an image; returns whether it was there."""
        image = self.images.pop(image_id, None)
        self.release(image)
        self.is_log = self.is_log and image is None
        return image is not None

    def reject(self, original: Original, reason: str) -> None:
        """Lists an original that cannot be used."""
        image_id, file = rejected_key(original.id, original.path)
        self.rejected[image_id, file] = reason
        self.new_reasons.append(Rejection(image_id, file, reason))

    def save(self) -> None:
        """Writes the new records to disk."""
        if sys.platform != "win32":
            os.sync()  # the pictures that the records name
        if self.new_seen:
            seen_photographs(self.data).append(self.new_seen)
        if self.is_log:
            JsonLines(self.data.rejected, Rejection, HINT).append(self.new_reasons)
            manifest_log(self.data.manifest).append(self.new_images, sync=True)
        else:
            write_rejected(self.data.rejected, self.rejected)
            write_manifest(self.data.manifest, self.images)
        self.is_log, self.new_images, self.new_reasons, self.new_seen = True, [], [], []

    def finish(self) -> None:
        """Writes all records in order, and what was drawn for each image, which its id decides."""
        if not self.data.part:  # else once the parts are joined
            write_drawn(self.data, self.blurs, self.images)
            if ids := self.seen.keys() & self.images.keys():
                seen_photographs(self.data).rewrite(self.seen[image_id] for image_id in sorted(ids))
                self.new_seen = []
        self.is_log = False
        self.save()


def first_ids(images: Iterable[ImageRecord]) -> dict[str, str]:
    """The first id that has some bytes, by their SHA-256."""
    first: dict[str, str] = {}
    for image in sorted(images, key=lambda image: image.id):
        first.setdefault(image.sha256, image.id)
    return first


def same_bytes_as(first_id: str) -> str:
    """The reason why the second of two images of the same bytes is not used."""
    return f"same file as {first_id}, which is in the other set (training or test)"


def write_drawn(data: DataFolder, blurs: Iterable[LensBlur], ids: Iterable[str]) -> None:
    """Writes the random settings of each image, for blurs that have them."""
    for blur in blurs:
        if blur.spreads:
            lines = ({"id": i} | blur.sampled_values(i) for i in sorted(ids))
            JsonLines(data.blurred / blur.name / "manifest.jsonl", dict, HINT).rewrite(lines)


def parts_of(data: DataFolder) -> list[DataFolder]:
    """The parts that have records in a data folder, where several machines make one set."""
    names = (path.name for path in sorted(data.path.glob("manifest.part-*-of-*.jsonl")))
    found = (re.fullmatch(r"manifest\.part-(\d+)-of-(\d+)\.jsonl", name) for name in names)
    return [replace(data, part=Part(int(match[1]), int(match[2]))) for match in found if match]


def join_parts(data: DataFolder, dry_run: bool) -> None:
    """Joins the records of the parts of a data folder into one.

    Nothing is copied: the pictures lie where they belong. Of two photographs with the same bytes
    that two parts put on different sides of the split, the later one is removed. A command that is
    killed at it leaves parts that are joined again.
    """
    parts = parts_of(data)
    if parts:
        print(f"{len(parts)} parts are joined")
    if not parts or dry_run:
        return
    kernels = (read_kernel(path) for path in data.blurred.glob("*") if path.is_dir())
    records = PairRecords(data, [kernel.blur for kernel in kernels if kernel])
    for part in parts:
        records.images |= read_manifest(part.manifest)
        records.rejected |= read_rejected(part.rejected)
    first, paths = first_ids(records.images.values()), paths_by_id(data.originals)
    for image in list(records.images.values()):
        first_id = first[image.sha256]
        if split_of(first_id) != image.split:
            path = paths.get(image.id, data.originals / image.id)
            records.rejected[rejected_key(image.id, path)] = same_bytes_as(first_id)
            del records.images[image.id]
            remove_pictures(data, image.id)
    records.finish()
    for part in parts:
        for path in (part.rejected, part.manifest, data.path / f".lock.{part.part}"):
            path.unlink(missing_ok=True)
