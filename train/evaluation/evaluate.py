"""Scores a run on test images it never saw, beside its input and the classical methods."""

import csv
import io
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from functools import partial
from itertools import islice
from pathlib import Path

import tensorflow as tf
from tqdm import tqdm

from prepare.records.files import write_json, write_text
from prepare.records.sets import KernelRecord
from train.dataset import Pairs, Restore, read_picture, write_picture
from train.evaluation import SAMPLE
from train.evaluation.baselines import CHOSEN_BY, baseline_ids, tuned_baselines
from train.evaluation.bootstrap import mean_with_ci95
from train.evaluation.folder import PICTURES, ScoreLog, fingerprint
from train.evaluation.metrics import SCORES, Views, all_scores

ALWAYS = ("blurred", "restored")  # rows of every image; the others may be of a sample
MOST_TUNING_IMAGES = 8


def evaluate(
    restore: Restore,
    pairs: Pairs,
    tuning: Pairs,
    evaluation_dir: Path,
    kernel: KernelRecord | None,
    context: dict,
    baselines: str = SAMPLE,
) -> dict:
    """Restores every test image and writes `metrics.json`, `per_image.csv` and the pictures.

    Goes on where one of the same context, set and images stopped in this folder.

    Args:
        restore: from a blurred picture, uint8 (height, width, 3), to the restored one.
        pairs: the test images, of one kernel.
        tuning: training images of that kernel; the classical methods' parameters are chosen on
            the first few.
        evaluation_dir: where the results go; see `train.evaluation.folder`.
        kernel: how the set was made; None where nobody knows.
        context: what `metrics.json` tells beside the scores: kernel, step, weights, seed.
        baselines: which images the classical methods are scored on, see `baseline_ids`.

    Returns:
        what `metrics.json` holds.
    """
    begun_s = time.monotonic()
    paths = islice(zip(tuning.blurred[0], tuning.sharp, strict=True), MOST_TUNING_IMAGES)
    first = [(read_picture(blurred), read_picture(sharp)) for blurred, sharp in paths]
    classical, record = tuned_baselines(kernel, first)
    methods, sample = {"restored": restore} | classical, baseline_ids(pairs.ids, baselines)
    content = kernel.content if kernel else {}
    subject = {"context": context, "blur": content, "images": pairs.ids, "size": pairs.size}
    subject |= {"baselines": record}
    log = ScoreLog(evaluation_dir, subject, set(_columns(ALWAYS)), begun_s)
    if log.known:
        print(f"going on: {len(log.known)} of {len(pairs.ids)} images were scored before")
    scores = _in_threads(partial(_score, methods, sample, log), pairs)
    write_table(evaluation_dir / "per_image.csv", scores)
    told: dict = {"made_with": kernel.make_command if kernel else None, "size": pairs.size}
    told |= {"blur": content, "seconds": round(log.spent_s(), 1), "baselines": record}
    sampled = len(sample) if len(sample) < len(scores) else 0
    result = context | told | _result(scores, list(classical), sampled, context["seed"])
    write_json(evaluation_dir / "metrics.json", result)
    return result


def _columns(rows: Sequence[str]) -> list[str]:
    """Names of all scores of some rows."""
    return [f"{row}_{name}" for row in rows for name in SCORES]


def _result(scores: Sequence[Mapping], classical: list[str], sampled: int, seed: int) -> dict:
    """What `metrics.json` tells of the scores, and of the sample of the classical methods, if any.

    Args:
        scores: of all images.
        classical: names of the classical methods.
        sampled: how many images these are scored on, if not on all; otherwise 0.
        seed: of the intervals.
    """
    rows = {name: means(scores, name, SCORES, seed) for name in (*ALWAYS, *classical)}
    sample = {"num_images": sampled, "chosen_by": CHOSEN_BY, "rows": classical}
    for name in classical if sampled else ():
        rows[name]["num_images"] = sampled
    return {
        "split": "test",
        "num_images": len(scores),
        "hardware": hardware(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **({"sample": sample} if sampled else {}),
        "rows": rows,
        "gains": {name: gains(scores, name, SCORES, seed) for name in rows if name != "restored"},
    }


def _score(
    methods: Mapping[str, Restore],
    sample: Set[str],
    log: ScoreLog,
    image_id: str,
    blurred_path: str,
    sharp_path: str,
) -> dict:
    """Scores of one image, by row and metric; writes what the network restored.

    What an earlier call knew is taken, also where it was to score other rows.
    """
    pair = fingerprint(blurred_path, sharp_path)
    known = dict(log.find(image_id, pair) or {})
    columns = _columns(["blurred", *methods] if image_id in sample else ALWAYS)
    if missing := dict.fromkeys(column for column in columns if column not in known):
        blurred, sharp = (Views(read_picture(path)) for path in (blurred_path, sharp_path))
        if not missing.keys().isdisjoint(_columns(["blurred"])):
            known |= _named("blurred", all_scores(blurred, blurred, sharp))
        for row, method in methods.items():
            if missing.keys().isdisjoint(_columns([row])):
                continue
            picture = Views(method(blurred.picture_u8))
            if row == "restored":
                write_picture(log.folder / PICTURES / f"{image_id}.png", picture.picture_u8)
            known |= _named(row, all_scores(picture, blurred, sharp))
        log.add(image_id, pair, known)
    return {"id": image_id} | {column: known[column] for column in columns}


def _named(row: str, scores: Mapping[str, float]) -> dict[str, float]:
    return {f"{row}_{name}": score for name, score in scores.items()}


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
    """Writes one line an image, as CSV; what an image has no score for is left empty."""
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, dict.fromkeys(name for score in scores for name in score))
    writer.writeheader()
    writer.writerows(scores)
    write_text(path, table.getvalue())


def table_of(content: Mapping) -> str:
    """The rows of `metrics.json` as lines for a terminal."""
    lines = []
    for method, row in content["rows"].items():
        line = f"{method:15} {row['psnr_db']:6.2f} dB  SSIM {row['ssim']:.3f}  "
        line += f"HaarPSI {row['haarpsi']:.3f}  ripples {row['ripples']:.2f}"
        if num := row.get("num_images"):
            gain = content["gains"][method]["psnr_db"]
            line += f"  (on {num} images, there restored has {gain:+.2f} dB)"
        lines.append(line)
    return "\n".join(lines)


def means(scores: Sequence[Mapping], row: str, names: Sequence[str], seed: int) -> dict:
    """Mean of each named score of a row over the images that have it, with its 95 % interval."""
    result: dict[str, float | list[float]] = {}
    for name in names:
        column = f"{row}_{name}"
        values = [score[column] for score in scores if column in score]
        result[name], result[f"{name}_ci95"] = mean_with_ci95(values, seed)
    return result


def gains(scores: Sequence[Mapping], row: str, names: Sequence[str], seed: int) -> dict:
    """Mean of restored less `row`, image by image that has both, with its 95 % interval."""
    result: dict[str, float | list[float]] = {}
    for name in names:
        own, other = f"restored_{name}", f"{row}_{name}"
        differences = [score[own] - score[other] for score in scores if other in score]
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
