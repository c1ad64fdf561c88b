"""Scores a run on test images it never saw, beside the blurred pictures it was given."""

import csv
import io
import os
import platform
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import bootstrap
from tqdm import tqdm

from train.dataset import Pairs
from train.files import read_picture, write_json, write_picture, write_text
from train.metrics import psnr_db, ssim

METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {"psnr_db": psnr_db, "ssim": ssim}


def evaluate(
    restore: Callable[[np.ndarray], np.ndarray],
    pairs: Pairs,
    evaluation_dir: Path,
    context: dict,
) -> dict:
    """Restores every test image and writes `metrics.json`, `per_image.csv` and the pictures.

    Args:
        restore: from a blurred picture, uint8 (height, width, 3), to the restored one.
        pairs: the test images, of one kernel.
        evaluation_dir: where the results go.
        context: what `metrics.json` tells beside the scores: kernel, step, seed.

    Returns:
        what `metrics.json` holds.
    """
    restored_dir = evaluation_dir / "restored"
    scores: list[dict] = []
    paths = zip(pairs.ids, pairs.blurred[0], pairs.sharp, strict=True)
    for image_id, blurred_path, sharp_path in tqdm(
        paths, total=len(pairs.ids), desc="evaluate", unit="image", disable=None
    ):
        blurred, sharp = read_picture(blurred_path), read_picture(sharp_path)
        restored = restore(blurred)
        write_picture(restored_dir / f"{image_id}.png", restored)
        pictures = {"blurred": blurred, "restored": restored}
        scores.append(
            {"id": image_id}
            | {
                f"{row}_{name}": metric(picture, sharp)
                for row, picture in pictures.items()
                for name, metric in METRICS.items()
            }
        )
    rows = {row: _means(scores, row, context["seed"]) for row in ("blurred", "restored")}
    hardware = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"
    metrics = {**context, "num_images": len(scores), "hardware": hardware, "rows": rows}
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, scores[0])
    writer.writeheader()
    writer.writerows(scores)
    write_text(evaluation_dir / "per_image.csv", table.getvalue())
    write_json(evaluation_dir / "metrics.json", metrics)
    return metrics


def _means(scores: list[dict], row: str, seed: int) -> dict:
    """Mean of each metric with its 95 % bootstrap interval."""
    means: dict[str, float | list[float]] = {}
    for name in METRICS:
        values = np.array([score[f"{row}_{name}"] for score in scores])
        means[name] = float(values.mean())
        if len(values) > 1 and np.ptp(values) > 0:
            interval = bootstrap(
                (values,), np.mean, method="percentile", rng=np.random.default_rng(seed)
            ).confidence_interval
            means[f"{name}_ci95"] = [float(interval.low), float(interval.high)]
        else:
            means[f"{name}_ci95"] = [means[name], means[name]]
    return means
