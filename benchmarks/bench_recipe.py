"""Trains recipes for equal times, one after the other, and scores them on validation images.

Test images play no part. What was tried in the past, and what it gave, stands in RECIPE.md. For
radius 30 on photographs of your own: `make dataset SOURCE=folder FROM=.. N=..`, then
`.venv/bin/python -m benchmarks.bench_recipe --minutes 15`. Nothing else should run on the machine.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from train.startup import load_tensorflow

load_tensorflow()

from train import metrics  # noqa: E402
from train.checkpoints import load_generator, restore_picture  # noqa: E402
from train.dataset import Pairs, find_pairs, read_split  # noqa: E402
from train.files import read_picture  # noqa: E402
from train.loop import train  # noqa: E402
from train.settings import PRESETS, TrainSettings  # noqa: E402

SHARP = PRESETS["sharp"]
RECIPES = {
    "sharp": SHARP,
    "pixel term alone": replace(SHARP, gan_weight=0.0),
    "both terms from the start": replace(SHARP, gan_start=0.0),
    "never turned": replace(SHARP, gan_weight=0.0, turns=False),
    "whole pictures": replace(SHARP, gan_weight=0.0, crop=0, batch=1),
    "bfloat16": replace(SHARP, gan_weight=0.0, precision="bfloat16"),
    "paper": PRESETS["paper"],
}
SCORES = ("psnr_db", "ssim", "haarpsi", "detail_returned", "detail_invented")
TRIED_STEPS = 30


def step_seconds(settings: TrainSettings, pairs: Pairs, validation: Pairs) -> float:
    """Seconds of a step in the long run, from two short ones, with the adversarial term's share."""
    ends = []
    for judged in (False, True) if settings.gan_weight else (False,):
        brief = replace(settings, gan_start=0.0, gan_weight=settings.gan_weight * judged)
        spent = []
        for num_steps in (TRIED_STEPS // 3, TRIED_STEPS):
            with tempfile.TemporaryDirectory() as folder:
                began_s = time.monotonic()
                train(Path(folder), pairs, validation, replace(brief, steps=num_steps), context())
                spent.append(time.monotonic() - began_s)
        ends.append((spent[1] - spent[0]) / (TRIED_STEPS - TRIED_STEPS // 3))
    return ends[0] + (ends[-1] - ends[0]) * (1 - settings.gan_start)


def context() -> dict:
    """What `settings.json` wants to know of a trial."""
    return {"kernels": ["trial"], "size": 0}


def scores_of(run_dir: Path, validation: Pairs) -> tuple[dict[str, float], float]:
    """Mean scores of the restored validation images, and the mean PSNR of the blurred ones."""
    generator, _, _ = load_generator(run_dir)
    rows, inputs = [], []
    for blurred_path, sharp_path in zip(validation.blurred[0], validation.sharp, strict=True):
        blurred, sharp = read_picture(blurred_path), read_picture(sharp_path)
        restored = restore_picture(generator, blurred)
        rows.append([getattr(metrics, name)(restored, sharp) for name in SCORES])
        inputs.append(metrics.psnr_db(blurred, sharp))
    return dict(zip(SCORES, np.mean(rows, axis=0), strict=True)), float(np.mean(inputs))


def main() -> None:
    """Runs the named recipes, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="RECIPE", help=f"of: {', '.join(RECIPES)}")
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--kernel", default="disc-r30")
    parser.add_argument("--minutes", type=float, default=15)
    arguments = parser.parse_args()
    split = read_split(arguments.data_dir / "manifest.jsonl")
    folders = [arguments.data_dir / "blurred_resized" / arguments.kernel]
    pairs, validation = (
        find_pairs(split[side], arguments.data_dir / "not_blurred_resized", folders)
        for side in ("train", "validation")
    )
    print(f"{len(pairs.ids)} training, {len(validation.ids)} validation images")
    print("| recipe | steps | gain, dB | " + " | ".join(SCORES[1:]) + " |\n|" + " --- |" * 7)
    for name in arguments.names or RECIPES:
        seconds = step_seconds(RECIPES[name], pairs, validation)
        settings = replace(RECIPES[name], steps=int(60 * arguments.minutes / seconds))
        with tempfile.TemporaryDirectory() as folder:
            train(Path(folder), pairs, validation, settings, context())
            scores, blurred_db = scores_of(Path(folder), validation)
        cells = [f"{scores[each]:.3f}" for each in SCORES[1:]]
        gain = scores["psnr_db"] - blurred_db
        tqdm.write(f"| {name} | {settings.steps} | {gain:+.2f} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
