"""The two stages of the preparation: originals and their pairs, and further blurred sets."""

import contextlib
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from prepare import PrepareError, sources
from prepare.originals import OwnPhotographs, seen_photographs
from prepare.pairs import (
    complete_ids,
    join_parts,
    parts_of,
    write_drawn,
    write_kernel_records,
    write_pairs,
)
from prepare.records.blur import SetSettings
from prepare.records.data_folder import DataFolder, Part, read_manifest
from prepare.records.files import only_writer, write_json
from prepare.records.progress import Progress, counted
from prepare.records.sets import OF_DATASET
from prepare.sources import SourceSettings


def make_dataset(
    data: DataFolder, wanted: SourceSettings, sets: SetSettings, *, dry_run: bool = False
) -> None:
    """Collects the originals that are asked for, and makes the missing pairs.

    For a part of the data folder it makes the share of one of several machines. The same call
    without a part joins the parts.

    Raises:
        SettingError: before anything else, if a setting makes no sense.
        PrepareError: if there are fewer originals than asked for; all others are done.
        OSError: if the disk is full or cannot be written.
    """
    wanted.check()
    part, whole = data.part, DataFolder(data.path)
    does = f"make dataset PART={part.number}/{part.of}" if part else "make dataset"
    with writing(data, does, dry_run):
        if not part:
            join_parts(data, dry_run)
        images, others = read_manifest(data.manifest), read_manifest(whole.manifest)
        sources.check_same_source(others | images, whole.manifest, wanted.source)
        write_kernel_records(data, sets, dry_run=dry_run)
        if not dry_run:
            write_json(data.blurred / OF_DATASET, {"sets": [blur.name for blur in sets.blurs]})
        photographs = OwnPhotographs(wanted.photographs, data, others | images)
        done_ids = complete_ids(images, data, sets.blurs)
        done_ids -= photographs.changed(images, done_ids, relink=not dry_run)
        of_others: set[str] = set()
        if part:
            own, of_others = sources.ids_of_part(wanted, part, photographs)
            done_ids = own & (done_ids | complete_ids(others, whole, sets.blurs))
            num_missing = len(own) - len(done_ids)
        else:
            num_missing = sources.count_missing(wanted, len(images), done_ids)
        there = f"{counted(len(done_ids), 'pair is', 'pairs are')} there, {num_missing} to make"
        print(f"{part}: {there}" if part else there)
        if not num_missing or dry_run:
            return
        originals = sources.originals_from(wanted, data, done_ids | of_others, photographs)
        num_made = write_pairs(originals, num_missing, data, sets, keep_originals=wanted.keep)
    if part:
        print(
            f"{part}: {counted(num_made, 'pair')} made, {num_missing - num_made} failed; when all "
            "parts are made, the same command without PART joins them"
        )
        return
    num_pairs = len(done_ids) + num_made
    print(f"{counted(num_made, 'pair')} made, {num_pairs} in {data.path}")
    if num_made < num_missing:
        raise PrepareError(
            f"--num-images asks for {wanted.num_images}, but only {num_pairs} photographs could be "
            f"used; the others are listed in {data.rejected}; add photographs, or ask for "
            f"N={num_pairs}"
        )


def make_parts_on_ray(data: DataFolder, wanted: SourceSettings, sets: SetSettings) -> None:
    """Makes all parts at the same time on the machines of a Ray cluster; `make_dataset` joins them.

    The cluster is the running one, see `ray.init`, or this machine alone. All its machines have
    this project and the data folder at the same paths. Another machine takes the part of one that
    is lost.

    Raises:
        PrepareError: if a part is not made, or Ray is not installed; else as `make_dataset`.
    """
    wanted.check()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it tells its makers of its use
    try:
        import ray
    except ModuleNotFoundError as error:
        raise PrepareError(f"install Ray for {sys.executable}, see docs/data.md") from error
    packages = {"env_vars": {"PYTHONPATH": str(Path(__file__).parents[1])}}
    ray.init(log_to_driver=False, logging_level="error", runtime_env=packages)
    try:
        cores = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
        workers = min(sets.workers, *filter(None, cores))
        num_parts = max(1, sum(cores) // workers)
        print(f"{num_parts} parts on {len(cores)} machines, {workers} workers each")
        task, each = ray.remote(num_cpus=workers)(make_part), replace(sets, workers=workers)
        parts = [Part(number, num_parts) for number in range(1, num_parts + 1)]
        pending = [task.remote(Path.cwd(), data.path, part, wanted, each) for part in parts]
        with Progress(name="parts", total=num_parts, unit="part") as progress:
            while pending:
                done, pending = ray.wait(pending)
                ray.get(done)
                progress.update()
    except ray.exceptions.RayError as error:
        reason = " ".join(str(getattr(error, "cause", error)).split())[:200]
        raise PrepareError(f"a part is not made ({reason}); run the same command again") from error
    finally:
        ray.shutdown()


def make_part(
    folder: Path, data_dir: Path, part: Part, wanted: SourceSettings, sets: SetSettings
) -> None:
    """Makes a part on another machine, in the folder that paths were typed in."""
    os.chdir(folder)
    make_dataset(DataFolder(data_dir, part), wanted, sets)


def make_blurred_sets(data: DataFolder, sets: SetSettings, *, dry_run: bool = False) -> None:
    """Makes more blurred sets from the same originals; the sharp folder is not touched.

    Raises:
        PrepareError: if there are no originals, or some could not be used; all others are done.
    """
    with writing(data, "make blur", dry_run):
        join_parts(data, dry_run)
        images = read_manifest(data.manifest)
        if not images:
            raise PrepareError(f"no images in {data.manifest}; run `make dataset` first")
        done_ids = complete_ids(images, data, sets.blurs)
        originals = sources.originals_at_hand(data.originals, images, done_ids)
        names = ", ".join(blur.name for blur in sets.blurs)
        print(f"{counted(len(originals), 'photograph')} to blur for {names}")
        write_kernel_records(data, sets, dry_run=dry_run)
        if not originals or dry_run:
            return
        write_drawn(data, sets.blurs, images)  # so that a kill at the end does not leave it out
        num_made = write_pairs(originals, len(originals), data, sets, keep_sharp=True)
    print(f"{counted(num_made, 'photograph')} blurred, in {data.blurred}")
    if num_made < len(originals):
        raise PrepareError(
            f"{len(originals) - num_made} of {len(originals)} originals could not be used (see "
            f"{data.rejected}); bring them back, or run `make dataset` again"
        )


def remove_pairs(data: DataFolder, *, dry_run: bool = False) -> None:
    """Removes the sharp and blurred pictures and their records, never originals."""
    with writing(data, "make clean-pairs", dry_run or not data.path.exists()):
        folders = [data, *parts_of(data)]
        records = [path for each in folders for path in (each.manifest, each.rejected)]
        for path in (data.sharp, data.blurred, *records, seen_photographs(data).path):
            if os.path.lexists(path):
                print(f"removing {path}")
                if dry_run:
                    continue
                is_folder = path.is_dir() and not path.is_symlink()
                shutil.rmtree(path) if is_folder else path.unlink()


def writing(data: DataFolder, does: str, dry_run: bool) -> contextlib.AbstractContextManager[None]:
    """Keeps other writers out of a data folder, where there is something to write."""
    part = str(data.part or "")
    return contextlib.nullcontext() if dry_run else only_writer(data.path, does, part)
