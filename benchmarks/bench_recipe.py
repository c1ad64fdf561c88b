"""Trains recipes for equal times, one after the other, and scores them on validation images.

Test images are not used. RECIPE.md lists what was tried in the past, and what it gave. For
radius 30 on photographs of your own: `make dataset SOURCE=folder FROM=.. N=..`, then
`.venv/bin/python -m benchmarks.bench_recipe --minutes 15`. After `make blur RADIUS="0 10"`, one
network for all: `--kernels disc-r0 disc-r10 disc-r30`. Nothing else should run on the machine.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from train.devices import load_tensorflow

load_tensorflow()

import keras  # noqa: E402

from prepare.records.srgb import LUMA  # noqa: E402
from train.checkpoints import load_generator, restore_picture  # noqa: E402
from train.dataset import Pairs, find_pairs, read_picture, read_split  # noqa: E402
from train.evaluation import metrics  # noqa: E402
from train.loop import train  # noqa: E402
from train.run import RunRecord  # noqa: E402
from train.settings import PRESETS, TrainSettings  # noqa: E402

SHARP = PRESETS["sharp"]
RECIPES = {
    "sharp": SHARP,
    "L1 loss alone": replace(SHARP, gan_weight=0.0),
    "both terms from the start": replace(SHARP, gan_start=0.0),
    "never turned": replace(SHARP, gan_weight=0.0, turns=False),
    "whole pictures": replace(SHARP, gan_weight=0.0, crop=0, batch=1),
    "adam": replace(SHARP, gan_weight=0.0, optimizer="adam"),
    "float32": replace(SHARP, gan_weight=0.0, precision="float32"),
    "paper": PRESETS["paper"],
}
SCORES = ("psnr_db", "ssim", "haarpsi", "detail_returned", "detail_invented")
GRIDS = {"grid of 2, dB": 2, "grid of 4, dB": 4}  # that a network may leave: period, pixels
TRIED_STEPS = 150


def step_seconds(settings: TrainSettings, pairs: Pairs, validation: Pairs) -> float:
    """Seconds of a step in the long run, from two short ones, with the adversarial term's share."""
    ends = []
    for adversarial in (False, True) if settings.gan_weight else (False,):
        brief = replace(settings, gan_start=0.0, gan_weight=settings.gan_weight * adversarial)
        spent = []
        for num_steps in (TRIED_STEPS // 3, TRIED_STEPS):
            with tempfile.TemporaryDirectory() as folder:
                began_s = time.monotonic()
                train(Path(folder), pairs, validation, record_of(replace(brief, steps=num_steps)))
                spent.append(time.monotonic() - began_s)
        ends.append((spent[1] - spent[0]) / (TRIED_STEPS - TRIED_STEPS // 3))
    return ends[0] + (ends[-1] - ends[0]) * (1 - settings.gan_start)


def record_of(settings: TrainSettings) -> RunRecord:
    """What a trial's `settings.json` tells."""
    return RunRecord(settings, ("trial",), 0, "sharp")


def grid_db(picture_u8: np.ndarray, period: int) -> float:
    """How far the luma spectrum stands out at a period of so many pixels, across and down, in dB.

    Energy of the frequency, one bin to each side included, over the geometric mean of that 5 to 12
    bins away on both sides; 0 where there is no grid. In the other direction all slow frequencies
    count, up to 16 periods a picture, since grids come and go with what is in the picture.

    Args:
        picture_u8: uint8, shape (side, side, 3), RGB, 0..255.
        period: 2 or 4 for the grids that networks leave; divides the side.
    """
    luma = picture_u8 @ LUMA
    side = len(luma)
    window = np.hanning(side)
    energy = np.abs(np.fft.fft2((luma - luma.mean()) * np.outer(window, window))) ** 2
    place, slow = side // period, np.r_[-16:17]
    near = np.r_[place - 12 : place - 4, place + 5 : place + 13] % side
    peaks = [
        spectrum[place - 1 : place + 2].mean() / np.exp(np.log(spectrum[near]).mean())
        for spectrum in (energy[:, slow].mean(1), energy[slow].mean(0))
    ]
    return float(10 * np.log10(np.mean(peaks)))


def scores_of(
    generator: keras.Model, blurred_paths: Sequence[str], sharp_paths: Sequence[str]
) -> tuple[dict[str, float], float]:
    """Mean scores of the restored validation images, and the mean PSNR of the blurred ones.

    Grids are in dB over that of the sharp images.
    """
    rows, inputs = [], []
    for blurred_path, sharp_path in zip(blurred_paths, sharp_paths, strict=True):
        blurred, sharp = read_picture(blurred_path), read_picture(sharp_path)
        restored = restore_picture(generator, blurred)
        grids = [grid_db(restored, period) - grid_db(sharp, period) for period in GRIDS.values()]
        views = [metrics.Views(each) for each in (restored, blurred, sharp)]
        scores = metrics.all_scores(*views)
        rows.append([scores[name] for name in SCORES] + grids)
        inputs.append(metrics.psnr_db(blurred, sharp))
    means = np.mean(rows, axis=0)
    return dict(zip((*SCORES, *GRIDS), means, strict=True)), float(np.mean(inputs))


def main() -> None:
    """Runs the named recipes, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="RECIPE", help=f"of: {', '.join(RECIPES)}")
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument(
        "--kernels", nargs="+", default=["disc-r30"], help="sets to train on; each is scored alone"
    )
    parser.add_argument("--minutes", type=float, default=15)
    arguments = parser.parse_args()
    split = read_split(arguments.data_dir / "manifest.jsonl")
    folders = [arguments.data_dir / "blurred_resized" / name for name in arguments.kernels]
    pairs, validation = (
        find_pairs(split[side], arguments.data_dir / "not_blurred_resized", folders)
        for side in ("train", "validation")
    )
    print(f"{len(pairs.ids)} training, {len(validation.ids)} validation images")
    columns = ["recipe", "kernel", "steps", "gain, dB", *SCORES[1:], *GRIDS]
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
    for name in arguments.names or RECIPES:
        seconds = step_seconds(RECIPES[name], pairs, validation)
        settings = replace(RECIPES[name], steps=int(60 * arguments.minutes / seconds))
        with tempfile.TemporaryDirectory() as folder:
            train(Path(folder), pairs, validation, record_of(settings))
            generator, _, _ = load_generator(Path(folder))
        for kernel, paths in zip(arguments.kernels, validation.blurred, strict=True):
            scores, blurred_db = scores_of(generator, paths, validation.sharp)
            gain = scores.pop("psnr_db") - blurred_db
            cells = [name, kernel, str(settings.steps), f"{gain:+.2f}"]
            cells += [f"{score:.3f}" for score in scores.values()]
            tqdm.write("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
