"""Restores files and folders of photographs, and keeps what else is in them.

Results note how they were made, so what was stopped goes on where it was. TensorFlow is needed only
where a run's weights are new. Memory is that of a few copies of the decoded photograph and of one
row of tiles.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prepare.photographs.photograph import Photograph, UnusablePhotograph, rounded_to_8_bits
from prepare.photographs.reader import read_photograph, shown_name
from prepare.photographs.writer import write_photograph
from prepare.records.files import named_errors, remove_old_parts
from train.restore.engine import Engine, open_engine
from train.restore.radius_map import described, render_map
from train.restore.restore import restore
from train.restore.targets import (
    NothingRestoredError,
    Target,
    note_of,
    noted,
    plan,
    result_file,
    write_comparison,
)
from train.run import find_run

MOST_PIXELS = 400_000_000  # of a photograph; a larger one is taken for a decompression bomb
RESTORE_VERSION = 1  # raised when the same network comes to give other results


@dataclass(frozen=True)
class Wanted:
    """What is made of photographs."""

    strength: float = 1.0  # 0 leaves a photograph as it is, 1 restores, between is a blend
    compare: bool = False  # also before and after side by side
    radius_map: bool = False  # also a map of the blur
    detail: float = 1.0  # 0 for nothing but what the pixels say, 1 for all that the run learned


def deblur_photographs(
    places: tuple[Path, str | None, Path],
    inputs: Sequence[Path],
    out_dir: Path,
    wanted: Wanted,
    *,
    dry_run: bool = False,
) -> None:
    """Restores photographs of any size and blur with a run's generator.

    Args:
        places: the runs, the name of one or None, the pretrained network; see `find_run`.
        inputs: files and folders of photographs.
        out_dir: of the results.
        wanted: what is made.
        dry_run: only says what would be done.

    Raises:
        TrainError: if there is no run to restore with, or a photograph could not be restored; all
            others are done.
    """
    targets = plan(inputs, out_dir, wanted.compare, wanted.radius_map)
    run = find_run(*places)
    if dry_run:
        print(f"{run.name}: {len(targets)} to restore into {out_dir}")
        return
    engine = open_engine(run, wanted.detail)
    if sets := run.fixed_radius_sets:
        learned = f"{run.name} learned {', '.join(sets)} alone"
        print(f"{learned}, and can make other blur worse; RUN={places[2].name} is for any")
    print(f"{run.name}, step {engine.notes['step']}: {len(targets)} to restore into {out_dir}")
    try:
        with named_errors(out_dir):
            remove_old_parts(out_dir, below=False)
            deblur(engine, targets, strength=wanted.strength, detail=wanted.detail)
    except BrokenPipeError:  # of what is printed
        raise
    except OSError as error:
        raise NothingRestoredError(
            f"{error.filename or out_dir} cannot be written ({error.strerror or error}); make room "
            "or name another folder (OUT=...), then run the same command again: what is done stays"
        ) from error


def deblur(
    engine: Engine, targets: Sequence[Target], *, strength: float = 1.0, detail: float = 1.0
) -> None:
    """Restores photographs to PNG files, and says of each how blurred it was.

    What is there already, made of the same photograph in the same way, is left as it is. Colors
    become sRGB, as a color-managed viewer shows them; 16 bits stay 16. EXIF, resolution and
    transparency are kept, and photographs are turned upright; what is not kept is said. Strength
    is that of `Wanted`, and the detail what the engine was opened with.

    Raises:
        NothingRestoredError: if some could not be restored, after all others are done.
        OSError: if a result cannot be written.
    """
    way = f"way {RESTORE_VERSION}, strength {strength:g}, detail {detail:g}"
    how = f"{way}, weights {engine.notes['weights']}"
    failed = []
    for target in targets:
        name = shown_name(target.source)
        try:
            deblur_one(engine, target, strength, how)
        except (NothingRestoredError, MemoryError) as error:
            memory = "takes more memory than there is; make it smaller, or free some"
            print(f"{name}: {memory if isinstance(error, MemoryError) else error}")
            failed.append(name)
    if failed:
        others = "; the others are done" if len(failed) < len(targets) else ""
        raise NothingRestoredError(
            f"{len(failed)} of {len(targets)} could not be restored ({', '.join(failed[:5])}), see "
            f"above{others}"
        )


def deblur_one(engine: Engine, target: Target, strength: float, how: str) -> None:
    """Restores one photograph, unless it was before; OSError if no result can be written."""
    name = shown_name(target.source)
    try:
        note = note_of(target.source, how)
        if all(noted(path) == note for path in target.files):
            print(f"{name}: restored before, in the same way")
            return
        photograph = read_photograph(
            target.source, max_pixels=MOST_PIXELS, alpha="keep", frames="first"
        )
    except (OSError, UnusablePhotograph) as error:
        raise NothingRestoredError(f"cannot be read ({error})") from error
    restored, blur = restore(engine, photograph.pixels, strength, name)
    with result_file(target.result, note) as file:
        write_photograph(file, photograph, restored, note)
    if target.comparison:
        before, after = rounded_to_8_bits(photograph.pixels), rounded_to_8_bits(restored)
        write_comparison(target.comparison, before, after, note)
    if target.radius_map and blur:
        pixels = np.asarray(render_map(blur))
        with result_file(target.radius_map, note) as file:
            write_photograph(file, Photograph(pixels), pixels, note)
    if blur:
        print(f"{name}: {described(blur)}")
    elif target.radius_map:
        print(f"{name}: no map, as this run's network tells no radius")
    if photograph.dropped:
        print(f"{name}: not kept: {', '.join(photograph.dropped)}")
