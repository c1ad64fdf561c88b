"""Scores a run on test images it never saw, beside its input and the classical methods."""

import csv
import io
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from prepare.records.atomic import write_json, write_text
from prepare.records.kernel import KernelRecord
from train import metrics
from train.baselines import tuned_baselines
from train.bootstrap import mean_with_ci95
from train.evaluation_folder import PICTURES, ScoreLog, fingerprint
from train.pairs import Pairs
from train.pictures import Restore, read_picture, write_picture

METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "psnr_db": metrics.psnr_db,
    "ssim": metrics.ssim,
    "ms_ssim": metrics.ms_ssim,
    "haarpsi": metrics.haarpsi,
    "detail_returned": metrics.detail_returned,
    "detail_invented": metrics.detail_invented,
}
SCORES = (*METRICS, "ripples")  # of every row; the last also looks at the input
MOST_TUNING_IMAGES = 8


def evaluate(
    restore: Restore,
    pairs: Pairs,
    tuning: Pairs,
    evaluation_dir: Path,
    kernel: KernelRecord | None,
    context: dict,
) -> dict:
    """Restores every test image and writes `metrics.json`, `per_image.csv` and the pictures.

    Goes on where one of the same context, set and images stopped in this folder.

    Args:
        restore: from a blurred picture, uint8 (height, width, 3), to the restored one.
        pairs: the test images, of one kernel.
        tuning: training images of that kernel; the classical methods' parameters are chosen on
            the first few.
        evaluation_dir: where the results go; see `train.evaluation_folder`.
        kernel: how the set was made; None where nobody knows.
        context: what `metrics.json` tells beside the scores: kernel, step, weights, seed.

    Returns:
        what `metrics.json` holds.
    """
    begun_s = time.monotonic()
    paths = islice(zip(tuning.blurred[0], tuning.sharp, strict=True), MOST_TUNING_IMAGES)
    first = [(read_picture(blurred), read_picture(sharp)) for blurred, sharp in paths]
    baselines, record = tuned_baselines(kernel, first)
    methods = {"restored": restore} | baselines
    content = kernel.content if kernel else {}
    subject = {"context": context, "blur": content, "images": pairs.ids, "size": pairs.size}
    subject |= {"baselines": record}
    columns = {f"{row}_{name}" for row in ("blurred", *methods) for name in SCORES}
    log = ScoreLog(evaluation_dir, subject, columns, begun_s)
    if log.known:
        print(f"going on: {len(log.known)} of {len(pairs.ids)} images were scored before")
    scores = _in_threads(partial(_score, methods, log), pairs)
    write_table(evaluation_dir / "per_image.csv", scores)
    seed = context["seed"]
    rows = {name: means(scores, name, SCORES, seed) for name in ("blurred", *methods)}
    result = {
        **context,
        "blur": content,
        "made_with": kernel.make_command if kernel else None,
        "split": "test",
        "num_images": len(scores),
        "size": pairs.size,
        "hardware": hardware(),
        "seconds": round(log.spent_s(), 1),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "rows": rows,
        "gains": {name: gains(scores, name, SCORES, seed) for name in rows if name != "restored"},
        "baselines": record,
    }
    write_json(evaluation_dir / "metrics.json", result)
    return result


def _score(
    methods: Mapping[str, Restore],
    log: ScoreLog,
    image_id: str,
    blurred_path: str,
    sharp_path: str,
) -> dict:
    """Scores of one image, by row and metric; writes what the network restored."""
    pair = fingerprint(blurred_path, sharp_path)
    if (known := log.find(image_id, pair)) is not None:
        return {"id": image_id} | known
    blurred, sharp = read_picture(blurred_path), read_picture(sharp_path)
    pictures = {"blurred": blurred} | {name: method(blurred) for name, method in methods.items()}
    write_picture(log.folder / PICTURES / f"{image_id}.png", pictures["restored"])
    scores = {
        f"{row}_{name}": float(metric(picture, sharp))
        for row, picture in pictures.items()
        for name, metric in METRICS.items()
    }
    for row, picture in pictures.items():
        scores[f"{row}_ripples"] = metrics.ripples(picture, blurred, sharp)
    log.add(image_id, pair, scores)
    return {"id": image_id} | scores


def _in_threads(score: Callable[[str, str, str], dict], pairs: Pairs) -> list[dict]:
    """Scores of all images in their order; the heavy parts run outside Python's lock."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        try:
            scores = threads.map(score, pairs.ids, pairs.blurred[0], pairs.sharp)
            return list(
                tqdm(scores, total=len(pairs.ids), desc="evaluate", unit="image", disable=None)
            )
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise


def write_table(path: Path, scores: Sequence[dict]) -> None:
    """Writes one line an image, as CSV."""
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, scores[0])
    writer.writeheader()
    writer.writerows(scores)
    write_text(path, table.getvalue())


def table_of(rows: Mapping[str, Mapping]) -> str:
    """The rows of `metrics.json` as lines for a terminal."""
    return "\n".join(
        f"{method:15} {row['psnr_db']:6.2f} dB  SSIM {row['ssim']:.3f}  "
        f"HaarPSI {row['haarpsi']:.3f}  ripples {row['ripples']:.2f}"
        for method, row in rows.items()
    )


def means(scores: Sequence[Mapping], row: str, names: Sequence[str], seed: int) -> dict:
    """Mean of each named score of a row, with its 95 % bootstrap interval."""
    result: dict[str, float | list[float]] = {}
    for name in names:
        values = [score[f"{row}_{name}"] for score in scores]
        result[name], result[f"{name}_ci95"] = mean_with_ci95(values, seed)
    return result


def gains(scores: Sequence[Mapping], row: str, names: Sequence[str], seed: int) -> dict:
    """Mean of restored less `row`, image by image, with its 95 % bootstrap interval."""
    result: dict[str, float | list[float]] = {}
    for name in names:
        differences = [score[f"restored_{name}"] - score[f"{row}_{name}"] for score in scores]
        result[name], result[f"{name}_ci95"] = mean_with_ci95(differences, seed)
    return result


def hardware() -> str:
    """What the scores were computed on."""
    devices = [
        tf.config.experimental.get_device_details(device).get("device_name", "GPU")
        for device in tf.config.list_physical_devices("GPU")
    ]
    cores = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"
    return ", ".join([*devices, cores])
