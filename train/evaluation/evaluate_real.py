"""Scores a run on pairs of real photographs: what it gains, whether it harms, what it leaves be."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from prepare.records.files import write_json
from train.dataset import Restore, write_picture
from train.evaluation import metrics
from train.evaluation.alignment import align
from train.evaluation.evaluate import gains, hardware, means, write_table
from train.evaluation.folder import PICTURES, SHEETS, ScoreLog, fingerprint
from train.evaluation.real_pairs import RealPair, RealPairsError, read_real_pair

SCORES = ("psnr_db", "ssim", "ripples")
ROWS = ("blurred", "restored", "sharp_kept")
BESIDE = ("moved_px", "light_ratio", "share_scored", "found")
PANEL_PX = 512  # widest picture of a sheet
DETAIL_FROM_PX = 768  # larger ones are reduced so much that a part is shown as it is, too
VERSION = 2  # of what is scored and how; another scores anew


def evaluate_real(
    restore: Restore, pairs: Sequence[RealPair], evaluation_dir: Path, context: dict
) -> dict:
    """Restores every blurred picture and writes `metrics.json`, `per_image.csv` and the pictures.

    Goes on where one of the same context and files stopped in this folder.

    Args:
        restore: from a picture of any size, uint8 (height, width, 3), to the restored one.
        pairs: see `train.evaluation.real_pairs`.
        evaluation_dir: where the results go; see `train.evaluation.folder`.
        context: what `metrics.json` tells beside the scores: kernel, step, weights, seed.

    Returns:
        what `metrics.json` holds.

    Raises:
        RealPairsError: if a pair cannot be read, or does not fit together.
    """
    begun_s = time.monotonic()
    subject = {"real": VERSION, "context": context, "images": [pair.name for pair in pairs]}
    columns = {f"{row}_{name}" for row in ROWS for name in SCORES} | set(BESIDE)
    log = ScoreLog(evaluation_dir, subject, columns, begun_s)
    if log.known:
        print(f"going on: {len(log.known)} of {len(pairs)} pairs were scored before")
    progress = tqdm(pairs, desc="evaluate", unit="pair", disable=None)
    scores = [{"id": pair.name} | _score(restore, log, pair) for pair in progress]
    write_table(evaluation_dir / "per_image.csv", scores)
    result = {
        **context,
        "num_images": len(scores),
        "hardware": hardware(),
        "seconds": round(log.spent_s(), 1),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "rows": {row: means(scores, row, SCORES, context["seed"]) for row in ROWS},
        "gains": {"blurred": gains(scores, "blurred", SCORES, context["seed"])},
        "real": _summary(scores),
    }
    write_json(evaluation_dir / "metrics.json", result)
    return result


def _score(restore: Restore, log: ScoreLog, pair: RealPair) -> dict[str, float]:
    """Scores of one pair; writes what the network restored, and the sheet."""
    files = fingerprint(*pair.files)
    if (known := log.find(pair.name, files)) is not None:
        return known
    blurred, given_sharp, mask = read_real_pair(pair)
    aligned = align(blurred, given_sharp, mask)
    sharp, scored = aligned.sharp_u8, mask & aligned.inside
    if not scored.any():
        raise RealPairsError(
            f"{pair.blurred} and {pair.sharp.name} show different places; remove the pair"
        )
    restored, kept = restore(blurred), restore(given_sharp)
    scores = {
        "moved_px": aligned.moved_px,
        "light_ratio": aligned.light_ratio,
        "share_scored": float(scored.mean()),
        "found": float(aligned.found),
        "sharp_kept_psnr_db": metrics.psnr_db(kept, given_sharp, mask),
        "sharp_kept_ssim": metrics.ssim(kept, given_sharp, mask),
        "sharp_kept_ripples": metrics.ripples(kept, given_sharp, mask=mask),
    }
    for row, picture in (("blurred", blurred), ("restored", restored)):
        scores[f"{row}_psnr_db"] = metrics.psnr_db(picture, sharp, scored)
        scores[f"{row}_ssim"] = metrics.ssim(picture, sharp, scored)
        scores[f"{row}_ripples"] = metrics.ripples(picture, blurred, sharp, scored)
    scores = {name: float(score) for name, score in scores.items()}
    write_picture(log.folder / SHEETS / f"{pair.name}.jpg", sheet(blurred, restored, sharp, scored))
    write_picture(log.folder / PICTURES / f"{pair.name}.png", restored)
    log.add(pair.name, files, scores)
    return scores


def _summary(scores: Sequence[Mapping]) -> dict:
    """What the rows' means do not tell: how many were harmed, and by how much."""
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


def summary_of(result: Mapping) -> str:
    """The scores in `metrics.json` as lines for a terminal."""
    real, rows, gain = result["real"], result["rows"], result["gains"]["blurred"]
    psnr, ssim = real["psnr_db"], real["ssim"]
    blurred, restored = rows["blurred"], rows["restored"]
    lines = [
        f"PSNR        {blurred['psnr_db']:.2f} -> {restored['psnr_db']:.2f} dB, gain "
        f"{gain['psnr_db']:+.2f}, better in {psnr['share_better']:.0%}, worst "
        f"{psnr['worst_gain']:+.2f} ({psnr['worst']})",
        f"SSIM        {blurred['ssim']:.3f} -> {restored['ssim']:.3f}, gain {gain['ssim']:+.3f}, "
        f"better in {ssim['share_better']:.0%}, worst {ssim['worst_gain']:+.3f} ({ssim['worst']})",
        f"sharp kept  {rows['sharp_kept']['psnr_db']:.2f} dB, lowest "
        f"{real['sharp_kept_lowest_db']:.2f} ({real['sharp_kept_lowest']})",
        f"ripples     {restored['ripples']:.2f} levels added, "
        f"{rows['sharp_kept']['ripples']:.2f} to the sharp ones",
    ]
    if num := real["num_not_aligned"]:
        lines.append(f"{num} of {result['num_images']} could not be aligned; see the report")
    return "\n".join(lines)


def sheet(
    blurred_u8: np.ndarray, restored_u8: np.ndarray, sharp_u8: np.ndarray, scored: np.ndarray
) -> np.ndarray:
    """Blurred, restored and sharp side by side, what is not scored paler in the sharp one.

    Pictures of more than 512 pixels are reduced, and those of more than 768 have a second line:
    512 pixels a side as they are, around the place that the restoration changed most.
    """
    paler = np.where(scored[..., None], sharp_u8, sharp_u8 // 2 + 96).astype(np.uint8)
    whole = (blurred_u8, restored_u8, paler)
    lines = [np.hstack([_reduced(picture) for picture in whole])]
    if max(scored.shape) > DETAIL_FROM_PX:
        change = np.abs(restored_u8.astype(np.float32) - blurred_u8).mean(-1) * scored
        change = gaussian_filter(change, PANEL_PX / 8)
        y, x = np.unravel_index(int(change.argmax()), change.shape)
        top, left = (
            max(0, min(int(middle) - PANEL_PX // 2, side - PANEL_PX))
            for middle, side in zip((y, x), scored.shape, strict=True)
        )
        part = slice(top, top + PANEL_PX), slice(left, left + PANEL_PX)
        lines.append(np.hstack([picture[part] for picture in whole]))
    width = max(line.shape[1] for line in lines)
    return np.vstack([np.pad(line, ((0, 0), (0, width - line.shape[1]), (0, 0))) for line in lines])


def _reduced(picture_u8: np.ndarray) -> np.ndarray:
    if max(picture_u8.shape) <= PANEL_PX:
        return picture_u8
    return np.asarray(ImageOps.contain(Image.fromarray(picture_u8), (PANEL_PX, PANEL_PX)))
