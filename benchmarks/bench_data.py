"""Times the input of training, and how long a step waits for it."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from PIL import Image

from train.devices import load_tensorflow

load_tensorflow()

import tensorflow as tf  # noqa: E402

from train.dataset import Pairs, training_batches  # noqa: E402
from train.settings import PRESETS  # noqa: E402

SIZE = 256  # of the pictures, pixels
NUM_IMAGES = 64  # of the folder that the data are read from
IMAGES_PER_S = 100


def time_data(num_steps: int = 400) -> None:
    """Prints how many images a second the input gives, and how long a step waits for them."""
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        columns = []
        for side in ("blurred", "sharp"):
            paths = tuple(f"{folder}/{side}-{index}.jpg" for index in range(NUM_IMAGES))
            for path in paths:
                soft = Image.fromarray(generator.integers(0, 256, (32, 32, 3), np.uint8))
                soft.resize((SIZE, SIZE), Image.Resampling.BICUBIC).save(path, quality=95)
            columns.append(paths)
        blurred, sharp = columns
        pairs = Pairs(tuple(map(str, range(NUM_IMAGES))), sharp, (blurred,), SIZE)
        for name, preset in PRESETS.items():
            settings = replace(preset, cache="0")  # as of sets that do not fit into memory
            batches = iter(training_batches(pairs, settings, 0, num_steps))
            wait_share(batches, num_steps // 4, 0.0)
            begin = time.perf_counter()
            left = sum(settings.batch for _ in batches)
            print(f"data of {name}: {left / (time.perf_counter() - begin):.0f} images a second")
            for batch in (1, 4):
                batches = training_batches(pairs, replace(settings, batch=batch), 0, num_steps)
                share = wait_share(iter(batches), num_steps, batch / IMAGES_PER_S)
                pictures = tf.zeros((2, batch, settings.crop or SIZE, settings.crop or SIZE, 3))
                ready = tf.data.Dataset.from_tensors(tuple(pictures)).repeat(num_steps)
                floor = wait_share(iter(ready), num_steps, batch / IMAGES_PER_S)
                print(
                    f"  at {IMAGES_PER_S} a second, batch {batch}: waits {share:.1%}, of which "
                    f"{floor:.1%} would be there were every batch ready (limit of the rest 2 %)"
                )


def wait_share(batches: Iterator, num_steps: int, step_s: float) -> float:
    """Median wait for a batch as a share of a step, which is slept through."""
    waits = []
    for _ in range(num_steps):
        begin = time.perf_counter()
        next(batches)
        waits.append(time.perf_counter() - begin)
        time.sleep(step_s)
    return statistics.median(waits) / step_s if step_s else 0.0


if __name__ == "__main__":
    time_data()
