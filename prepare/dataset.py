"""The two stages of the preparation: originals and their pairs, and further blurred sets."""

import contextlib
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace

from prepare import PrepareError, sources
from prepare.doubles import remove_doubles
from prepare.folder import NoPhotographsError, changed_photographs
from prepare.pairs import write_pairs
from prepare.parts import ids_of_part, join_parts, parts_in
from prepare.records.data_folder import DataFolder, ImageRecord, Part, read_manifest
from prepare.records.files import only_writer
from prepare.sets import SetSettings, complete_ids, write_kernel_records
from prepare.sources import SourceSettings


class TooFewPairsError(PrepareError):
    """Originals could not be used, so that there are fewer pairs than asked for."""


def make_dataset(
    data: DataFolder,
    wanted: SourceSettings,
    sets: SetSettings,
    *,
    dry_run: bool = False,
    report: Callable[[str], None] = print,
) -> None:
    """Gets the originals that are wanted and makes their pairs, as far as they are missing.

    Args:
        data: the data folder.
        wanted: which originals.
        sets: the blurred sets.
        dry_run: says what would be done, and does nothing.
        report: prints one line.

    Raises:
        SettingError: before anything else, if a setting makes no sense.
        PrepareError: if there are fewer originals than wanted; all others are done.
        OSError: if the disk is full or cannot be written.
    """
    sources.check_wanted(wanted)
    if data.part:
        _make_part(data, data.part, wanted, sets, dry_run=dry_run, report=report)
        return
    with _writing(data, "make dataset", dry_run):
        join_parts(data, dry_run=dry_run, report=report)
        images = read_manifest(data.manifest)
        sources.check_same_source(images, data.manifest, wanted.source)
        remove_doubles(data, images, dry_run=dry_run, report=report)
        write_kernel_records(data, sets, dry_run=dry_run)
        done_ids = _done_ids(data, images, wanted, sets, dry_run)
        num_missing = sources.count_missing(wanted, len(images), done_ids)
        report(f"{len(done_ids)} pairs are there, {num_missing} to make")
        if not num_missing or dry_run:
            return
        originals = sources.originals_from(wanted, data.originals, done_ids)
        drop_below = None if wanted.keep else data.originals
        num_made = write_pairs(originals, num_missing, data, sets, drop_below=drop_below)
    num_pairs = len(done_ids) + num_made
    report(f"{num_made} pairs made, {num_pairs} in {data.path}")
    if num_made < num_missing:
        raise TooFewPairsError(
            f"--num-images asks for {wanted.num_images}, but only {num_pairs} photographs could be "
            f"used; the others are listed in {data.rejected}; add photographs, or ask for "
            f"N={num_pairs}"
        )


def _make_part(
    data: DataFolder,
    part: Part,
    wanted: SourceSettings,
    sets: SetSettings,
    *,
    dry_run: bool,
    report: Callable[[str], None],
) -> None:
    """What one of several machines makes; `join_parts` takes it into the whole."""
    with _writing(data, f"make dataset PART={part.number}/{part.of}", dry_run):
        whole = DataFolder(data.path)
        images, others = read_manifest(data.manifest), read_manifest(whole.manifest)
        sources.check_same_source(images, data.manifest, wanted.source)
        sources.check_same_source(others, whole.manifest, wanted.source)
        write_kernel_records(data, sets, dry_run=dry_run)
        own, of_others = ids_of_part(wanted, part)
        done_ids = _done_ids(data, images, wanted, sets, dry_run)
        done_ids = own & (done_ids | complete_ids(others, whole, sets.blurs))
        num_missing = len(own) - len(done_ids)
        report(f"{part}: {len(done_ids)} pairs are there, {num_missing} to make")
        if not num_missing or dry_run:
            return
        originals = sources.originals_from(wanted, data.originals, done_ids | of_others)
        drop_below = None if wanted.keep else data.originals
        num_made = write_pairs(originals, num_missing, data, sets, drop_below=drop_below)
    report(
        f"{part}: {num_made} pairs made, {num_missing - num_made} could not be; once all parts are "
        "made, the same command without PART joins them"
    )


def _done_ids(
    data: DataFolder,
    images: Mapping[str, ImageRecord],
    wanted: SourceSettings,
    sets: SetSettings,
    dry_run: bool,
) -> set[str]:
    """Ids of a manifest's images whose pairs are there, and made of the photographs of today."""
    done_ids = complete_ids(images, data, sets.blurs)
    if wanted.source != "folder":
        return done_ids
    relink = not dry_run
    return done_ids - changed_photographs(wanted.from_dir, data, images, done_ids, relink=relink)


def _writing(data: DataFolder, does: str, dry_run: bool) -> contextlib.AbstractContextManager:
    """Keeps other writers out of a data folder, where there is something to write."""
    return (
        contextlib.nullcontext() if dry_run else only_writer(data.path, does, str(data.part or ""))
    )


def make_blurred_sets(
    data: DataFolder,
    sets: SetSettings,
    *,
    dry_run: bool = False,
    report: Callable[[str], None] = print,
) -> None:
    """Makes further blurred sets of the originals at hand; the sharp folder is not touched.

    Args:
        data: the data folder.
        sets: the blurred sets.
        dry_run: says what would be done, and does nothing.
        report: prints one line.

    Raises:
        PrepareError: if there are no originals, or some could not be used; all others are done.
        OSError: if the disk is full or cannot be written.
    """
    with _writing(data, "make blur", dry_run):
        join_parts(data, dry_run=dry_run, report=report)
        images = read_manifest(data.manifest)
        if not images:
            raise NoPhotographsError(f"no images in {data.manifest}; run `make dataset` first")
        done_ids = complete_ids(images, data, sets.blurs)
        originals = sources.originals_at_hand(data.originals, images, done_ids)
        names = ", ".join(blur.name for blur in sets.blurs)
        report(f"{len(originals)} blurred copies to make for {names}")
        write_kernel_records(data, sets, dry_run=dry_run)
        if not originals or dry_run:
            return
        num_made = write_pairs(originals, len(originals), data, sets, keep_sharp=True)
    if num_made < len(originals):
        raise TooFewPairsError(
            f"{len(originals) - num_made} of {len(originals)} originals could not be used (see "
            f"{data.rejected}); bring them back, or run `make dataset` again"
        )


def remove_pairs(
    data: DataFolder, *, dry_run: bool = False, report: Callable[[str], None] = print
) -> None:
    """Removes the sharp and blurred pictures and their records, never originals.

    Args:
        data: the data folder.
        dry_run: says what would be done, and does nothing.
        report: prints one line.
    """
    with _writing(data, "make clean-pairs", dry_run or not data.path.exists()):
        folders = [data, *(replace(data, part=part) for part in parts_in(data))]
        records = [path for each in folders for path in (each.manifest, each.rejected)]
        for path in (data.sharp, data.blurred, *records):
            if os.path.lexists(path):
                report(f"removing {path}")
                if dry_run:
                    continue
                is_folder = path.is_dir() and not path.is_symlink()
                shutil.rmtree(path) if is_folder else path.unlink()
