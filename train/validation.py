"""Scores the generator on validation images: training images that it is not trained on."""

import hashlib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import keras
import numpy as np

from train.checkpoints import restore_picture
from train.dataset import Pairs, read_picture
from train.evaluation.metrics import Views, haarpsi, psnr_db, ssim

METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "validation_psnr_db": psnr_db,
    "validation_ssim": ssim,
    # The one that says which is best: it likes no smearing.
    "validation_haarpsi": lambda restored, sharp: haarpsi(Views(restored), Views(sharp)),
}
MOST_PAIRS = 64
SHEET_IMAGES = 6


def validate(
    generator: keras.Model, validation: Pairs, most_pairs: int = MOST_PAIRS
) -> tuple[dict[str, float], np.ndarray]:
    """Scores of the validation pairs, and the sample sheet: blurred | restored | sharp."""
    scores, rows = [], []
    for blurred_path, sharp_path in islice(in_turn(validation), most_pairs):
        blurred, sharp = read_picture(blurred_path), read_picture(sharp_path)
        restored = restore_picture(generator, blurred)
        scores.append([metric(restored, sharp) for metric in METRICS.values()])
        rows.append(np.hstack([blurred, restored, sharp]))
    means = np.mean(scores, axis=0).tolist()
    return dict(zip(METRICS, means, strict=True)), np.vstack(rows[:SHEET_IMAGES])


def fingerprint(validation: Pairs) -> int:
    """A hash of the pictures that are validated on, 64 bits: scores of others say nothing."""
    digest = hashlib.sha256()
    for paths in islice(in_turn(validation), MOST_PAIRS):
        for path in paths:
            digest.update(hashlib.sha256(Path(path).read_bytes()).digest())
    return int.from_bytes(digest.digest()[:8], "big", signed=True)


def in_turn(pairs: Pairs) -> Iterator[tuple[str, str]]:
    """Paths of all pairs, blurred and sharp: every image once, kernels in turn; then the rest."""
    num_kernels = len(pairs.blurred)
    for shift in range(num_kernels):
        for index, sharp_path in enumerate(pairs.sharp):
            yield pairs.blurred[(index + shift) % num_kernels][index], sharp_path
