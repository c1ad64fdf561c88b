"""Times the blur and the complete making of a pair beside its peers, on one core.

Everything runs in turns in one process, best of several, so that the ratios hold on a busy
machine too. Peers come from benchmarks/requirements.txt; a missing one is named and left out.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from benchmarks.peers import peers
from prepare.blur.lens_blur import blur_and_reduce, encode_jpeg, reduce_photo
from prepare.pictures import read_u8, square_crop
from prepare.records.blur import LensBlur

SIZE = 256
QUALITY = 95
RADII = (4, 8, 16, 30, 60)
PATIENCE_MS = 4000  # a peer slower than this is not tried at larger radii


def drawn_original(path: Path, seed: int = 0) -> Path:
    """A 1024-pixel PNG about as large as one of FFHQ: soft shapes, edges and grain."""
    generator = np.random.default_rng(seed)
    soft = generator.random((12, 12, 3)).astype(np.float32)
    photo: np.ndarray = 200 * cv2.resize(soft, (1024, 1024), interpolation=cv2.INTER_CUBIC) + 20
    for center in generator.integers(0, 1024, (40, 2)).tolist():
        cv2.circle(photo, center, 30, (generator.random(3) * 255).tolist(), -1, cv2.LINE_AA)
    photo += generator.normal(0, 2.2, photo.shape).astype(np.float32)
    cv2.imwrite(str(path), np.clip(np.rint(photo), 0, 255).astype(np.uint8))
    return path


def best_ms(tasks: dict[str, Callable], seconds: float = 0.6) -> dict[str, float]:
    """Shortest time of each task in ms, taken in turns; each turn within the seconds, or once."""
    best = dict.fromkeys(tasks, float("inf"))
    spent = dict.fromkeys(tasks, 0.0)
    while any(spent[name] < seconds for name in tasks):
        for name, task in tasks.items():
            if spent[name] >= seconds:
                continue
            start = time.perf_counter()
            task()
            took = time.perf_counter() - start
            best[name] = min(best[name], took * 1000)
            spent[name] += took
    return best


def time_blurs(photo: np.ndarray) -> None:
    """Prints blur and reduction of one photograph, this project and its peers."""
    available, missing = peers()
    for name, reason in missing.items():
        print(f"left out: {name} ({reason})")
    names = ["this project", *available]
    print(f"\nblur and reduction of 1024 to {SIZE} pixels, ms (times slower than this project)")
    print("| radius | " + " | ".join(names) + " |\n|" + " --- |" * (len(names) + 1))
    for radius in RADII:
        blur = LensBlur(radius)
        tasks: dict[str, Callable] = {
            "this project": partial(blur_and_reduce, photo, [blur], SIZE, "0")
        }
        for name, peer in available.items():
            tasks[name] = partial(peer, photo, radius, SIZE)
        ms = best_ms(tasks)
        ours = ms["this project"]
        cells = [f"{ms[n]:.1f} ({ms[n] / ours:.1f}x)" if n in ms else "-" for n in names[1:]]
        print(f"| {radius} | {ours:.1f} | " + " | ".join(cells) + " |", flush=True)
        available = {n: peer for n, peer in available.items() if ms[n] < PATIENCE_MS}


def time_pairs(path: Path) -> None:
    """Prints what the blurred half adds to the sharp half, and each further radius to that."""

    def make(*radii: float) -> None:
        photo = square_crop(read_u8(path))
        blurs = [LensBlur(radius) for radius in radii]
        for half in [reduce_photo(photo, SIZE), *blur_and_reduce(photo, blurs, SIZE, "0")]:
            encode_jpeg(half, QUALITY)

    ms = best_ms(
        {"sharp": make, "pair": lambda: make(30), "four": lambda: make(15, 30, 45, 60)}, seconds=2.0
    )
    sharp, pair, four = ms["sharp"], ms["pair"], ms["four"]
    print(f"\nfrom PNG to JPEG: sharp half alone {sharp:.1f} ms, pair of radius 30 {pair:.1f} ms")
    print(f"pair / sharp half: {pair / sharp:.2f}")
    print(f"each further radius: {(four - pair) / 3 / sharp:.2f}")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process, libraries and peers included: {peak_mb:.0f} MB")


def main() -> None:
    """Times on the photograph given, or on a drawn one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photo", type=Path, help="1024-pixel PNG (default: a drawn one)")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.photo or drawn_original(Path(folder, "drawn.png"))
        size_mb = path.stat().st_size / 1e6
        print(f"{path.name}: {size_mb:.2f} MB, OpenCV {cv2.__version__}, one core")
        time_pairs(path)
        time_blurs(square_crop(read_u8(path)))


if __name__ == "__main__":
    main()
