"""Restores files and folders of photographs, and keeps what else is in them.

Results note how they were made, so what was stopped goes on where it was.

Memory is that of a few copies of the decoded photograph and of one row of tiles.
"""

import errno
from collections.abc import Sequence

import numpy as np

from prepare.photographs.listing import shown_name
from prepare.photographs.photograph import Photograph, UnusablePhotograph, rounded_to_8_bits
from prepare.photographs.reader import read_photograph
from prepare.photographs.writer import write_photograph
from train.restore.engine import Engine
from train.restore.radius_map import described, write_map
from train.restore.restore import restore
from train.restore.targets import (
    NothingRestoredError,
    Target,
    is_made,
    note_of,
    write_comparison,
)

MOST_PIXELS = 400_000_000  # of a photograph; a larger one is taken for a decompression bomb
WAY = 1  # of restoring; raised when the same network comes to give other results


def deblur(
    engine: Engine, targets: Sequence[Target], *, strength: float = 1.0, detail: float = 1.0
) -> None:
    """Restores photographs to PNG files, and says of each how blurred it was.

    What is there already, made of the same photograph in the same way, is left as it is.

    Colors become sRGB, as a color-managed viewer shows them; 16 bits stay 16. EXIF, resolution and
    transparency are kept, and photographs are turned upright; what is not kept is said.

    Args:
        engine: the generator.
        targets: see `train.restore.targets.plan`; folders are made when missing.
        strength: 0 leaves the photograph as it is, 1 is fully restored, between is a blend.
        detail: that the engine was opened with.

    Raises:
        NothingRestoredError: if some could not be restored, after all others are done.
        OSError: if a result cannot be written.
    """
    way = f"way {WAY}, strength {strength:g}, detail {detail:g}"
    how = f"{way}, weights {engine.notes['weights']}"
    failed = []
    for target in targets:
        name = shown_name(target.source)
        try:
            note = note_of(target.source, how)
            if is_made(target, note):
                print(f"{name}: restored before, in the same way")
                continue
            photograph = read_photograph(
                target.source, max_pixels=MOST_PIXELS, alpha="keep", frames="first"
            )
        except (OSError, UnusablePhotograph) as error:
            print(f"{name}: cannot be read ({error})")
            failed.append(name)
            continue
        try:
            _deblur_one(engine, target, photograph, strength, note)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            print(f"{name}: the name of a result would be too long; rename the photograph")
            failed.append(name)
    if failed:
        others = "; the others are done" if len(failed) < len(targets) else ""
        raise NothingRestoredError(
            f"{len(failed)} of {len(targets)} could not be restored ({', '.join(failed[:5])}), see "
            f"above{others}"
        )


def _deblur_one(
    engine: Engine, target: Target, photograph: Photograph, strength: float, note: str
) -> None:
    name = shown_name(target.source)
    restored, seen = restore(engine, photograph.pixels, strength, name)
    target.result.parent.mkdir(parents=True, exist_ok=True)
    write_photograph(target.result, photograph, restored, note)
    if target.comparison:
        halves: list[np.ndarray] = [rounded_to_8_bits(p) for p in (photograph.pixels, restored)]
        write_comparison(target.comparison, halves[0], halves[1], note)
    if seen:
        print(f"{name}: {described(seen)}")
    if target.radius_map and seen:
        write_map(target.radius_map, seen, note)
    elif target.radius_map:
        print(f"{name}: no map, as this run's network tells no radius")
    if photograph.dropped:
        print(f"{name}: not kept: {', '.join(photograph.dropped)}")
