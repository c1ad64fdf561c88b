"""Restores composites: something sharp before a blur, and something blurred before what is sharp.

.venv/bin/python -m benchmarks.bench_composites

Textbook occlusion of drawn pictures, with truth: a sharp front lies over a back that was blurred
whole; or a front is blurred together with its coverage, over a sharp back. Prints, for each kind,
the gain within two radii of the sharp thing and in the whole picture, how well the sharp thing is
kept, and how many blocks of 16 pixels end with more than 1.5 times their error.
"""

import cv2
import numpy as np

from prepare.drawing.sample import sample_picture
from prepare.records.psf import Aperture, aperture_psf
from train.evaluation.metrics import psnr_db
from train.restore.engine import open_engine
from train.restore.restore import restore
from train.run import PRETRAINED_DIR, Run

SIZE, BLOCK, NUM_PICTURES = 512, 16, 8
RADII_PX = (4.0, 6.0, 9.0)
HARMED, LEAST_LEVELS = 1.5, 2  # times the error before, and levels more than it
MOST_DB = 70.0  # of what is kept to the bit


def blurred(picture: np.ndarray, radius_px: float) -> np.ndarray:
    psf = aperture_psf(radius_px, Aperture())
    return cv2.filter2D(picture, -1, psf.astype(np.float32), borderType=cv2.BORDER_REPLICATE)


def composites(index: int, radius_px: float):
    """Gives the kind, the sharp truth, the blurred picture, and where it is sharp in both."""
    back, front = (sample_picture(2 * index + n, 3, SIZE).astype(np.float32) for n in (0, 1))
    field = np.random.default_rng(index).normal(size=(5, 5)).astype(np.float32)
    field = cv2.resize(field, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    cover = np.clip(0.5 + 50 * field, 0, 1)[..., None]
    truth = back * (1 - cover) + front * cover
    yield "before", truth, blurred(back, radius_px) * (1 - cover) + front * cover, cover > 0.5
    soft = blurred(np.repeat(cover, 3, 2), radius_px)
    behind = back * (1 - soft) + blurred(front * cover, radius_px)
    yield "behind", truth, behind, soft[..., :1] < 0.01


def errors(picture: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Root mean square error of each block, levels."""
    square = np.mean((picture.astype(float) - truth) ** 2, axis=2)
    return np.sqrt(square.reshape(SIZE // BLOCK, BLOCK, SIZE // BLOCK, BLOCK).mean((1, 3)))


def score(engine, truth, given, is_sharp, radius_px) -> list[float]:
    truth, given = (np.rint(picture).astype(np.uint8) for picture in (truth, given))
    restored, _ = restore(engine, given)
    distance = cv2.distanceTransform(np.uint8(~is_sharp[..., 0]), cv2.DIST_L2, 5)
    near = (distance > 1) & (distance <= 2 * radius_px)
    gains = [
        psnr_db(restored, truth, mask) - psnr_db(given, truth, mask)
        for mask in (near, np.ones_like(near))
    ]
    before, after = errors(given, truth), errors(restored, truth)
    harmed = (after > HARMED * before) & (after > before + LEAST_LEVELS)
    kept = min(MOST_DB, psnr_db(restored, given, distance == 0))
    return [*gains, kept, 100 * harmed.mean(), (after - before).max()]


def main() -> None:
    """Prints one line per kind."""
    engine = open_engine(Run(PRETRAINED_DIR))
    scores: dict[str, list[list[float]]] = {}
    for index in range(NUM_PICTURES):
        radius_px = RADII_PX[index % len(RADII_PX)]
        for kind, *pictures in composites(index, radius_px):
            scores.setdefault(kind, []).append(score(engine, *pictures, radius_px))
    for kind, rows in scores.items():
        near, everywhere, kept, harmed, _ = np.mean(rows, axis=0)
        worst = max(row[-1] for row in rows)
        print(
            f"{kind}: near {near:+.2f} dB, everywhere {everywhere:+.2f} dB, sharp kept at "
            f"{kept:.1f} dB, {harmed:.2f} % of blocks harmed, the worst by {worst:.1f} levels"
        )


if __name__ == "__main__":
    main()
