"""Scores a run on pictures that it was not trained on: test images or real pairs."""

import csv
import hashlib
import io
import json
import os
import platform
import time
from collections.abc import Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from prepare.records.data_folder import plain_cell
from prepare.records.files import sha256_of, write_text
from prepare.records.jsonl import JsonLines
from train.dataset import Restore, write_picture
from train.evaluation.alignment import align
from train.evaluation.baselines import CHOSEN_BY
from train.evaluation.metrics import SCORES, WITHIN_MASK, Views, all_scores, mean_with_ci95
from train.evaluation.real_pairs import Example, ExampleError, read_example
from train.evaluation.results import METRICS, PICTURES, SHEETS, TABLE, ImageScores, score_log

BESIDE = ("moved_px", "light_ratio", "share_scored", "found")  # of real pairs
VERSION = 3  # of what is scored and how; another scores anew
PANEL_PX = 512  # widest picture of a sheet
DETAIL_FROM_PX = 768  # larger ones are reduced so much that a part is shown as it is, too


def evaluate(
    restore: Restore,
    examples: Sequence[Example],
    folder: Path,
    context: dict,
    *,
    classical: Mapping[str, Restore] | None = None,
    sample: Set[str] = frozenset(),
    is_real: bool = False,
) -> dict:
    """Restores every blurred picture and writes `per_image.csv` and the pictures.

    Continues an evaluation of the same context and files that was stopped in this folder.
    `metrics.json` is removed first; the caller writes it when everything else is there.

    Args:
        restore: from a blurred picture, uint8 (height, width, 3), to the restored one.
        context: what scores depend on, also stored in `metrics.json`: kernel, step, weights, seed.
        classical: methods that are scored beside the network.
        sample: ids of the images that these are scored on.
        is_real: whether the pairs are photographs: aligned first, scored within masks, and their
            sharp pictures restored too, which a network should not change.

    Gives the content of `metrics.json`. Raises ExampleError if a pair cannot be read or does not
    match; or if the folder holds a complete evaluation of the other kind with the same name.
    """
    if (folder / METRICS).exists() and (folder / SHEETS).exists() != is_real:
        what = "a set" if is_real else "real pairs"
        raise ExampleError(f"{folder} holds an evaluation of {what}; rename the pairs' folder")
    begun_s = time.monotonic()
    (folder / METRICS).unlink(missing_ok=True)
    ids = [example.id for example in examples]
    of_all = json.dumps({"version": VERSION, "real": is_real} | context, sort_keys=True)
    subject, log = hashlib.sha256(of_all.encode()).hexdigest(), score_log(folder)
    lines = scored_before(log, folder, subject, set(ids))
    classical = classical or {}
    methods = {"restored": restore, **classical}
    always = ["blurred", "restored", "sharp_kept"] if is_real else ["blurred", "restored"]
    names, beside = (WITHIN_MASK, BESIDE) if is_real else (SCORES, ())

    def scored(example: Example) -> dict:
        files = " ".join(sha256_of(path) for path in example.files)
        line = lines.get(example.id)
        known = line.scores if line and line.files == files else {}
        rows = [*always, *(classical if example.id in sample else ())]
        columns = [*(f"{row}_{name}" for row in rows for name in names), *beside]
        if not known.keys() >= set(columns):
            missing = [row for row in rows if any(f"{row}_{name}" not in known for name in names)]
            known = known | score(missing, methods, example, folder, is_real)
            lines[example.id] = ImageScores(example.id, subject, files, known)
            log.append([lines[example.id]])
        return {"id": example.id} | {name: known[name] for name in columns}

    with ThreadPoolExecutor(1 if is_real else os.cpu_count()) as threads:
        done = threads.map(scored, examples)  # once it fails, what is left is cancelled
        scores = list(tqdm(done, "evaluate", len(ids), unit="image", disable=None))
    log.rewrite(lines[image_id] for image_id in ids)
    write_table(folder / TABLE, scores)
    rows, gained_over, seed = [*always, *classical], ["blurred", *classical], context["seed"]
    result = context | {
        "num_images": len(scores),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "seconds": round(time.monotonic() - begun_s, 1),  # without those before it was stopped
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": {row: means(scores, row, names, seed) for row in rows},
        "gains": {row: means(scores, row, names, seed, of_gain=True) for row in gained_over},
    }
    if is_real:
        result["real"] = harm_of(scores)
    elif len(sample) < len(scores):
        num, of_sample = len(sample), list(classical)
        result["sample"] = {"num_images": num, "chosen_by": CHOSEN_BY, "rows": of_sample}
        for row in of_sample:
            result["rows"][row]["num_images"] = num
    return result


def score(
    rows: Sequence[str],
    methods: Mapping[str, Restore],
    example: Example,
    folder: Path,
    is_real: bool,
) -> dict[str, float]:
    """Scores of one pair in some rows; writes the restored picture, and a real pair's sheet.

    Raises ExampleError if the pair cannot be read, or does not fit together.
    """
    blurred_u8, given_u8, mask = read_example(example)
    blurred, given, restore = Views(blurred_u8), Views(given_u8), methods["restored"]
    sharp, inside, scores = given, None, {}
    if is_real:
        aligned = align(blurred_u8, given_u8, mask)
        sharp, inside = Views(aligned.sharp_u8), mask & aligned.inside
        if not inside.any():
            places = f"{example.blurred} and {example.sharp.name} show different places"
            raise ExampleError(f"{places}; remove the pair")
        beside = aligned.moved_px, aligned.light_ratio, inside.mean(), aligned.found
        scores = {name: float(value) for name, value in zip(BESIDE, beside, strict=True)}
        kept = all_scores(Views(restore(given_u8)), given, given, mask)
        scores |= {f"sharp_kept_{name}": value for name, value in kept.items()}
    for row in [each for each in rows if each != "sharp_kept"]:
        picture = blurred if row == "blurred" else Views(methods[row](blurred_u8))
        of_row = all_scores(picture, blurred, sharp, inside)
        scores |= {f"{row}_{name}": value for name, value in of_row.items()}
        if row == "restored":
            write_picture(folder / PICTURES / f"{example.id}.png", picture.picture_u8)
            if inside is not None:
                panels = sheet(blurred_u8, picture.picture_u8, sharp.picture_u8, inside)
                write_picture(folder / SHEETS / f"{example.id}.jpg", panels)
    return scores


def scored_before(
    log: JsonLines[ImageScores], folder: Path, subject: str, ids: Set[str]
) -> dict[str, ImageScores]:
    """The scores of an evaluation that was stopped; everything else is removed."""
    lines = {}
    for image_id, line in {line.id: line for line in log.read()}.items():
        picture = folder / PICTURES / f"{image_id}.png"
        if image_id not in ids:
            picture.unlink(missing_ok=True)
            (folder / SHEETS / f"{image_id}.jpg").unlink(missing_ok=True)
        elif line.subject == subject and picture.is_file():
            lines[image_id] = line
    log.rewrite(lines.values())
    if lines:
        print(f"continuing: {len(lines)} of {len(ids)} were scored before")
    return lines


def write_table(path: Path, scores: Sequence[dict]) -> None:
    """Writes one line per image, as CSV; missing scores are empty cells."""
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, dict.fromkeys(name for score in scores for name in score))
    writer.writeheader()
    writer.writerows(score | {"id": plain_cell(score["id"])} for score in scores)
    write_text(path, table.getvalue())


def means(
    scores: Sequence[Mapping], row: str, names: Sequence[str], seed: int, of_gain: bool = False
) -> dict:
    """Mean of each named score of a row over the images that have it, with its 95 % interval.

    Or of the gains of the restored picture over the row, image by image.
    """
    result: dict[str, float | list[float]] = {}
    for name in names:
        own, restored = f"{row}_{name}", f"restored_{name}"
        values = [
            score[restored] - score[own] if of_gain else score[own]
            for score in scores
            if own in score
        ]
        result[name], result[f"{name}_ci95"] = mean_with_ci95(values, seed)
    return result


def harm_of(scores: Sequence[Mapping]) -> dict:
    """The number of real pairs that got worse, and by how much; means do not show it."""
    summary: dict = {}
    for name in ("psnr_db", "ssim"):
        gained = [score[f"restored_{name}"] - score[f"blurred_{name}"] for score in scores]
        worst = int(np.argmin(gained))
        summary[name] = {
            "share_better": float(np.mean(np.array(gained) > 0)),
            "worst_gain": gained[worst],
            "worst": scores[worst]["id"],
        }
    kept = [score["sharp_kept_psnr_db"] for score in scores]
    summary["sharp_kept_lowest_db"] = min(kept)
    summary["sharp_kept_lowest"] = scores[int(np.argmin(kept))]["id"]
    summary["num_not_aligned"] = sum(1 for score in scores if not score["found"])
    return summary


def text_of(result: Mapping) -> str:
    """The content of `metrics.json` for a terminal."""
    lines = []
    for method, row in result["rows"].items():
        line = f"{method:15} {row['psnr_db']:6.2f} dB  SSIM {row['ssim']:.3f}  "
        line += f"HaarPSI {row['haarpsi']:.3f}  " if "haarpsi" in row else ""
        line += f"ringing {row['ripples']:.2f}"
        if num := row.get("num_images"):
            gain = result["gains"][method]["psnr_db"]
            line += f"  (on {num} images, where restored gains {gain:+.2f} dB)"
        lines.append(line)
    if real := result.get("real"):
        for name, unit in (("psnr_db", " dB"), ("ssim", " SSIM")):
            gain, harm = result["gains"]["blurred"][name], real[name]
            lines.append(
                f"gain {gain:+.3f}{unit}, better in {harm['share_better']:.0%}, worst "
                f"{harm['worst_gain']:+.3f} ({harm['worst']})"
            )
        lowest = f"{real['sharp_kept_lowest_db']:.2f} dB ({real['sharp_kept_lowest']})"
        lines.append(
            f"sharp pictures kept to at least {lowest}; {real['num_not_aligned']} not aligned"
        )
    return "\n".join(lines)


def sheet(
    blurred_u8: np.ndarray, restored_u8: np.ndarray, sharp_u8: np.ndarray, scored: np.ndarray
) -> np.ndarray:
    """Blurred, restored and sharp side by side; unscored parts of the sharp one are paler.

    Pictures of more than 512 pixels are reduced, and those of more than 768 have a second line:
    512 pixels a side as they are, around the place that the restoration changed most.
    """
    paler = np.where(scored[..., None], sharp_u8, sharp_u8 // 2 + 96).astype(np.uint8)
    whole = reduced = [blurred_u8, restored_u8, paler]
    if max(scored.shape) > PANEL_PX:
        images = [ImageOps.contain(Image.fromarray(each), (PANEL_PX, PANEL_PX)) for each in whole]
        reduced = [np.asarray(image) for image in images]
    lines = [np.hstack(reduced)]
    if max(scored.shape) > DETAIL_FROM_PX:
        change = np.abs(restored_u8.astype(np.float32) - blurred_u8).mean(-1) * scored
        change = gaussian_filter(change, PANEL_PX / 8)
        middle = np.unravel_index(int(change.argmax()), change.shape)
        top, left = (
            max(0, min(int(place) - PANEL_PX // 2, side - PANEL_PX))
            for place, side in zip(middle, scored.shape, strict=True)
        )
        part = slice(top, top + PANEL_PX), slice(left, left + PANEL_PX)
        lines.append(np.hstack([picture[part] for picture in whole]))
    width = max(line.shape[1] for line in lines)
    return np.vstack([np.pad(line, ((0, 0), (0, width - line.shape[1]), (0, 0))) for line in lines])
