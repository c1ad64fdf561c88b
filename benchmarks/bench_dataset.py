"""CPU time of the whole `dataset` command for a photograph, beside a bare loop of OpenCV.

The command runs twice, on 72 photographs and on 8, with one worker: the difference is the time of
64 photographs, without the start. The loop reads the same files, reduces them, and encodes the
sharp half alone. Both run in turns, so that the ratios are right on a busy machine too.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.bench_blur import drawn_original

FEWEST, MOST = COUNTS = 8, 72  # photographs
COUNTS_OF_TWO = 24, 216  # of fewer, one process makes all; and both have to have started
LIMIT_WHOLE = 0.6  # of the loop
LIMIT_FURTHER = 0.15  # each further radius, of the loop
LIMIT_WORKERS = 1.9  # times as many photographs a second with two workers
FLOOR = """
import sys, time, cv2
cv2.setNumThreads(1)
start_s = time.process_time()
for path in sys.argv[1:]:
    small = cv2.resize(cv2.imread(path), (256, 256), interpolation=cv2.INTER_AREA)
    cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 95])
print(time.process_time() - start_s)
"""


def photographs(folder: Path, source: Path | None) -> list[Path]:
    """Copies of PNG files of a folder, over and over, or drawn. No two have equal bytes."""
    folder.mkdir()
    found = sorted(source.glob("*.png")) if source else []
    paths = found or [drawn_original(folder.parent / f"{n}.png", seed=n) for n in range(9)]
    made = []
    for number in range(COUNTS_OF_TWO[1]):
        made.append(folder / f"{number:05d}x.png")
        made[-1].write_bytes(paths[number % len(paths)].read_bytes() + b"%d" % number)
    return made


def command_s(photos: Path, data: Path, num_images: int, workers: int, *more: str) -> list[float]:
    """CPU seconds and seconds of one call of the command."""
    words = ["dataset", "--source", "folder", "--from", str(photos), "--data-dir", str(data)]
    words += ["--num-images", str(num_images), "--workers", str(workers), *more]
    before, start_s = os.times(), time.perf_counter()
    subprocess.run(
        [sys.executable, "pipeline.py", *words],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    after = os.times()
    spent = after.children_user + after.children_system
    return [spent - before.children_user - before.children_system, time.perf_counter() - start_s]


def difference(
    photos: Path, folder: Path, *more: str, workers: int = 1, counts: tuple[int, int] = COUNTS
) -> list[float]:
    """CPU milliseconds and milliseconds of a photograph."""
    few, most = counts
    with tempfile.TemporaryDirectory(dir=folder) as data:
        of_few = command_s(photos, Path(data, "few"), few, workers, *more)
        of_most = command_s(photos, Path(data, "most"), most, workers, *more)
    return [1000 * (a - b) / (most - few) for a, b in zip(of_most, of_few, strict=True)]


def main() -> None:
    """Measures on the photographs of a folder, or on drawn ones."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, help="folder of 1024-pixel PNG files")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        paths = photographs(folder / "photos", arguments.photos)
        floor = [sys.executable, "-c", FLOOR, *map(str, paths[FEWEST:MOST])]
        for _ in range(arguments.rounds):
            floor_s = float(subprocess.check_output(floor, text=True))
            floor_ms = 1000 * floor_s / (MOST - FEWEST)
            photos = paths[0].parent
            one_ms, _ = difference(photos, folder)
            five_ms, _ = difference(photos, folder, "--radius", "30", "15", "45", "60", "8")
            further = (five_ms - one_ms) / 4 / floor_ms
            _, alone_ms = difference(photos, folder, counts=COUNTS_OF_TWO)
            _, two_ms = difference(photos, folder, workers=2, counts=COUNTS_OF_TWO)
            rows.append((floor_ms, one_ms, one_ms / floor_ms, further, alone_ms / two_ms))
    floor_ms, whole_ms, whole, further, faster = map(statistics.median, zip(*rows, strict=True))
    print(f"OpenCV alone {floor_ms:.1f} ms of CPU a photograph, the command {whole_ms:.1f} ms")
    print(f"command / OpenCV: {whole:.2f} (limit {LIMIT_WHOLE})")
    print(f"each further radius / OpenCV: {further:.2f} (limit {LIMIT_FURTHER})")
    print(f"two workers / one, by the clock: {faster:.2f} (limit {LIMIT_WORKERS}, 2 free cores)")


if __name__ == "__main__":
    main()
