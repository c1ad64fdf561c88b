"""How well the generator does on images of the training side that it is not trained on."""

from itertools import islice

import keras
import numpy as np

from train.checkpoints import restore_picture
from train.dataset import Pairs
from train.files import read_picture
from train.metrics import haarpsi, psnr_db, ssim

METRICS = {
    "validation_psnr_db": psnr_db,
    "validation_ssim": ssim,
    "validation_haarpsi": haarpsi,  # the one that says which is best: it likes no smearing
}
MOST_IMAGES = 64
SHEET_IMAGES = 6


def validate(generator: keras.Model, validation: Pairs) -> tuple[dict[str, float], np.ndarray]:
    """Scores of the validation images, and the sample sheet: blurred | restored | sharp."""
    scores, rows = [], []
    paths = zip(validation.blurred[0], validation.sharp, strict=True)
    for blurred_path, sharp_path in islice(paths, MOST_IMAGES):
        blurred, sharp = read_picture(blurred_path), read_picture(sharp_path)
        restored = restore_picture(generator, blurred)
        scores.append([metric(restored, sharp) for metric in METRICS.values()])
        rows.append(np.hstack([blurred, restored, sharp]))
    means = np.mean(scores, axis=0).tolist()
    return dict(zip(METRICS, means, strict=True)), np.vstack(rows[:SHEET_IMAGES])
