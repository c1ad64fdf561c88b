"""Times a training step beside its peers, batch 1 at 256 pixels, and weighs their memory.

Each contestant is a process of its own. They step in turns, so that the ratios hold on a busy
machine too, and only one is awake at a time. PyTorch comes from benchmarks/requirements.txt, here
or in an environment of its own (--torch-python); when it is missing, that is said and it is left
out. Beside the step stand what else training takes: data, and a checkpoint.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parent.parent
SIZE = 256
CONTESTANTS = ("paper", "tutorial", "torch", "sharp")  # two presets of ours, and the peers
LIMIT_OF = {"tutorial": 0.85, "torch": 0.9}  # our step against theirs
NUM_IMAGES = 64  # of the folder that the data are read from
IMAGES_PER_S = 100
CHECKPOINT_S = 180  # the default time between checkpoints


def our_step(preset: str) -> tuple[Callable[[], object], Callable[[], float]]:
    """A step of a preset as the loop takes it, and the seconds that a checkpoint of it takes."""
    import tensorflow as tf

    from train.checkpoints import manager_of, save
    from train.loop import fix_arithmetic
    from train.machines import with_precision
    from train.settings import PRESETS
    from train.update import Networks, build_update

    settings = with_precision(PRESETS[preset])
    fix_arithmetic(settings)
    networks = Networks(settings, num_steps=1000)
    update = build_update(networks, settings, tf.distribute.get_strategy())
    pictures = [tf.random.uniform((1, SIZE, SIZE, 3), -1, 1) for _ in range(2)]

    def save_s() -> float:
        with tempfile.TemporaryDirectory() as folder:
            manager = manager_of(networks, Path(folder))
            begin = time.perf_counter()
            save(manager, 1)
            return time.perf_counter() - begin

    return lambda: update(*pictures, judged=True), save_s


def tutorial_step() -> Callable[[], object]:
    import tensorflow as tf

    from benchmarks.tutorial_pix2pix import build_step

    step = build_step()
    pictures = [tf.random.uniform((1, SIZE, SIZE, 3), -1, 1) for _ in range(2)]
    return lambda: step(*pictures)["l1"].numpy()


def torch_step() -> Callable[[], object]:
    import torch

    from benchmarks.torch_pix2pix import build_step

    step = build_step()
    pictures = [torch.rand(1, 3, SIZE, SIZE) * 2 - 1 for _ in range(2)]
    return lambda: step(*pictures)


def work(name: str) -> None:
    """A contestant: answers "step" and "save" with seconds, "peak" with megabytes."""
    if name == "tutorial":
        step, save_s = tutorial_step(), None
    elif name == "torch":
        step, save_s = torch_step(), None
    else:
        step, save_s = our_step(name)
    for _ in range(3):
        step()
    print("ready", flush=True)
    for line in sys.stdin:
        if line == "step\n":
            begin = time.perf_counter()
            step()
            answer = time.perf_counter() - begin
        elif line == "save\n":
            answer = save_s()
        else:
            answer = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(answer, flush=True)


class Contestant:
    """One process and what it answers."""

    def __init__(self, name: str, python: str) -> None:
        command = [python, "-m", "benchmarks.bench_train", "--contestant", name]
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3"}
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env=os.environ | quiet,
        )
        self.is_ready = self.process.stdout.readline() == "ready\n"

    def ask(self, question: str) -> float:
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def time_steps(names: list[str], torch_python: str, rounds: int, steps: int) -> None:
    """Prints step time, memory and the seconds of a checkpoint of each contestant."""
    contestants = {}
    for name in names:
        contestant = Contestant(name, torch_python if name == "torch" else sys.executable)
        if contestant.is_ready:
            contestants[name] = contestant
        else:
            print(f"left out: {name} (it does not run here; see benchmarks/requirements.txt)")
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            contestant.ask("step")  # the first after the others' turn finds its memory cold
            seconds[name] += [contestant.ask("step") for _ in range(steps)]
    peak_mb = {name: contestant.ask("peak") for name, contestant in contestants.items()}
    print("| program | ms a step, median | least | peak MB | paper / it: step | memory |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in contestants:
        median, least = statistics.median(seconds[name]), min(seconds[name])
        row = f"| {name} | {median * 1000:.0f} | {least * 1000:.0f} | {peak_mb[name]:.0f} |"
        if "paper" in contestants and name in LIMIT_OF:
            # By turn: what slows the machine for a while slows both.
            ratio = statistics.median(
                sum(seconds["paper"][at : at + steps]) / sum(seconds[name][at : at + steps])
                for at in range(0, len(seconds[name]), steps)
            )
            row += f" {ratio:.2f} (limit {LIMIT_OF[name]})"
            row += f" | {peak_mb['paper'] / peak_mb[name]:.2f} |"
        else:
            row += " | |"
        print(row)
    for name in {"paper", "sharp"} & set(contestants):
        save_s = statistics.median(contestants[name].ask("save") for _ in range(3))
        print(
            f"a checkpoint of {name}: {save_s:.2f} s, {save_s / CHECKPOINT_S:.1%} of training "
            f"time at one every {CHECKPOINT_S} s (limit 2 %)"
        )
    for contestant in contestants.values():
        contestant.process.stdin.close()
        contestant.process.wait()


def time_data(num_steps: int = 400) -> None:
    """Prints how many images a second the input gives, and how long a step waits for them."""
    import numpy as np
    import tensorflow as tf
    from PIL import Image

    from train.dataset import Pairs, training_batches
    from train.settings import PRESETS

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
        for name, settings in PRESETS.items():
            batches = iter(training_batches(pairs, settings, 0, num_steps))
            wait_share(batches, num_steps // 4, 0.0)
            begin = time.perf_counter()
            left = sum(settings.batch for _ in batches)
            print(f"data of {name}: {left / (time.perf_counter() - begin):.0f} images a second")
            for batch in (1, 4):
                batches = training_batches(pairs, replace(settings, batch=batch), 0, num_steps)
                share = wait_share(iter(batches), num_steps, batch / IMAGES_PER_S)
                print(f"  at {IMAGES_PER_S} a second, batch {batch}: waits {share:.1%} (limit 2 %)")
    ready = tf.data.Dataset.from_tensors(tf.zeros((2, 1, SIZE, SIZE, 3))).repeat(num_steps)
    share = wait_share(iter(ready), num_steps, 1 / IMAGES_PER_S)
    print(f"  TensorFlow's iterator over one batch that is always ready: {share:.1%}")


def wait_share(batches: Iterator, num_steps: int, step_s: float) -> float:
    """Median wait for a batch as a share of a step, which is slept through."""
    waits = []
    for _ in range(num_steps):
        begin = time.perf_counter()
        next(batches)
        waits.append(time.perf_counter() - begin)
        time.sleep(step_s)
    return statistics.median(waits) / step_s if step_s else 0.0


def main() -> None:
    """Runs all contestants in turns, or is one of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch-python", default=sys.executable, help="interpreter with PyTorch")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=4, help="of each contestant in a round")
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument("--contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contestant:
        work(arguments.contestant)
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    print(f"one step, batch 1, {SIZE} pixels, {os.cpu_count()} cores")
    time_steps(arguments.only, arguments.torch_python, arguments.rounds, arguments.steps)
    time_data()


if __name__ == "__main__":
    main()
