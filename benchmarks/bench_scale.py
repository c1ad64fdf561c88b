"""CPU seconds of the work for every image of a data folder, at 1,000, 7,000 and 70,000 images.

None of it may be quadratic: 70,000 may cost twelve times what 7,000 cost. The folders are made of
hard links to a hundred small pictures, since their content does not matter. This is not part of
`make bench`, since it makes 300,000 files in some minutes. Run it from the root with
`python -m benchmarks.bench_scale`, which prints a table in Markdown.
"""

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

import pipeline
from benchmarks.scale_records import link_photographs, record_pairs
from prepare.records.blur import LensBlur, OutputSettings
from prepare.records.data_folder import DataFolder
from prepare.records.sets import KernelRecord
from train.dataset import find_pairs, read_split

SIZES = (1_000, 7_000, 70_000)
NUM_PICTURES = 100  # that all others are hard links to
SIDE = 16  # of the pictures, pixels
BLUR, OUTPUT = LensBlur(30), OutputSettings(SIDE)
LARGEST_RATIO = 12.0  # of the last two sizes


def write_pictures(folder: Path) -> list[Path]:
    """A hundred small photographs."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    paths = [folder / f"{number}.jpg" for number in range(NUM_PICTURES)]
    for path in paths:
        Image.fromarray(generator.integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(path)
    return paths


def link_all(pictures: list[Path], folder: Path, ids: list[str]) -> None:
    """A folder of pictures, one for each id."""
    folder.mkdir(parents=True)
    for number, image_id in enumerate(ids):
        os.link(pictures[number % NUM_PICTURES], folder / f"{image_id}.jpg")


def measured(num_images: int) -> dict[str, float]:
    """CPU seconds of each task in a folder of so many pairs, and the peak of memory, in MB."""
    seconds: dict[str, float] = {}

    def time_task(name: str, task: Callable[[], object]) -> None:
        start_s = time.process_time()
        task()
        seconds[name] = time.process_time() - start_s

    ids = [f"{number:05d}" for number in range(num_images)]
    with tempfile.TemporaryDirectory() as temporary:
        folder, data = Path(temporary), DataFolder(Path(temporary) / "data")
        photos = folder / "photos"
        link_all(write_pictures(folder / "of photos"), photos, ids)
        pictures = write_pictures(folder / "of pairs")  # later: pairs are newer than photographs
        link_all(pictures, data.sharp, ids)
        link_all(pictures, data.blurred / BLUR.name, ids)
        KernelRecord(BLUR, OUTPUT).write(data.blurred / BLUR.name)
        command = ["dataset", "--num-images", str(num_images), "--size", str(SIDE)]
        command += ["--source", "folder", "--from", str(photos), "--data-dir", str(data.path)]
        os.sync()  # so that the system does not write what was made here meanwhile
        time_task("linking a flat folder", lambda: link_photographs(photos, data, num_images))
        time_task("all savings of the manifest", lambda: record_pairs(data, ids))
        time_task("`dataset` again", lambda: pipeline.main(command))
        time_task("`read_split`", lambda: read_split(data.manifest))
        blurred = [data.blurred / BLUR.name]
        time_task("`find_pairs`", lambda: find_pairs(ids, data.sharp, blurred))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return seconds | {"peak of memory, MB": peak_mb}


def table_of(columns: dict[int, dict[str, float]]) -> str:
    """A table in Markdown, a line a task, with the ratio of the last two sizes."""
    heads = [f"{size:,}" for size in columns]
    lines = [["CPU seconds, by pairs", *heads, "ratio"], ["---", *("---:" for _ in heads), "---:"]]
    for name in next(iter(columns.values())):
        values = [column[name] for column in columns.values()]
        ratio = values[-1] / max(values[-2], 1e-9) if len(values) > 1 else 1.0
        too_much = f" (over {LARGEST_RATIO:g})" if ratio > LARGEST_RATIO else ""
        lines.append([name, *(f"{value:.2f}" for value in values), f"{ratio:.1f}{too_much}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Measures each size in a process of its own, for its memory's sake."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of pairs")
    columns = {}
    for size in parser.parse_args().sizes:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, context) as process:
            columns[size] = process.submit(measured, size).result()
    print(table_of(columns))


if __name__ == "__main__":
    main()
