"""Times a training step beside its peers, of a 256-pixel picture or as much, and its memory.

Each program is a separate process. They step in turns, one at a time, so that the ratios are right
on a busy machine too. PyTorch comes from benchmarks/requirements.txt, here or in another
environment (--torch-python). If it is missing, this is printed and it is left out. A checkpoint and
our two presets are timed too.
"""

import argparse
import functools
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
SIZE = 256
CONTESTANTS = ("paper", "tutorial", "torch", "sharp")  # two presets of ours, and the peers
LIMIT_OF = {"tutorial": 0.85, "torch": 0.9}  # our step against theirs
CHECKPOINT_S = 180  # the default time between checkpoints


def seconds_of(task: Callable[[], object]) -> float:
    """How long one call takes."""
    begin = time.perf_counter()
    task()
    return time.perf_counter() - begin


def our_tasks(preset: str) -> dict[str, Callable[[], float]]:
    """What a preset can be asked, each answered in seconds.

    A step with the adversarial term as the loop takes it, one without, a checkpoint, and the
    restoration of one picture.
    """
    import keras
    import numpy as np
    import tensorflow as tf

    from train.checkpoints import manager_of, restore_picture, save
    from train.devices import dtype_policy_scope, enable_determinism, with_precision
    from train.networks.generators import build_generator
    from train.settings import PRESETS
    from train.train_step import TrainState, build_train_step

    settings = with_precision(PRESETS[preset])
    enable_determinism(settings)
    with dtype_policy_scope(settings.precision):
        state = TrainState(settings, num_steps=1000)
    train_step = build_train_step(state, settings, tf.distribute.get_strategy())
    side = settings.crop or SIZE
    shape = (settings.batch, side, side, 3)  # in any preset as many pixels as one picture has
    pictures = [tf.random.uniform(shape, -1, 1) for _ in range(2)]
    blurred = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)

    @functools.cache
    def generator() -> keras.Model:  # in float32, as a run's comes back when it is used
        return build_generator(settings)

    def save_s() -> float:
        with tempfile.TemporaryDirectory() as folder:
            manager = manager_of(state.checkpoint(), Path(folder))
            return seconds_of(lambda: save(manager, 1))

    return {
        "step": lambda: seconds_of(lambda: train_step(*pictures, adversarial=True)),
        "pixel": lambda: seconds_of(lambda: train_step(*pictures, adversarial=False)),
        "forward": lambda: seconds_of(lambda: restore_picture(generator(), blurred)),
        "save": save_s,
    }


def tutorial_step() -> Callable[[], object]:
    """A step of TensorFlow's tutorial, on noise."""
    import tensorflow as tf

    from benchmarks.tutorial_pix2pix import build_step

    step = build_step()
    pictures = [tf.random.uniform((1, SIZE, SIZE, 3), -1, 1) for _ in range(2)]
    return lambda: step(*pictures)["l1"].numpy()


def torch_step() -> Callable[[], object]:
    """A step of the same networks in PyTorch, on noise."""
    import torch

    from benchmarks.torch_pix2pix import build_step

    step = build_step()
    pictures = [torch.rand(1, 3, SIZE, SIZE) * 2 - 1 for _ in range(2)]
    return lambda: step(*pictures)


def work(name: str) -> None:
    """A contestant: answers "peak" with megabytes, all other questions with seconds."""
    if name in ("tutorial", "torch"):
        step = tutorial_step() if name == "tutorial" else torch_step()
        tasks = {"step": lambda: seconds_of(step)}
    else:
        tasks = our_tasks(name)
    for _ in range(3):
        tasks["step"]()
    print("ready", flush=True)
    tasks["peak"] = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for line in sys.stdin:
        print(tasks[line.strip()](), flush=True)


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
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.questions, self.answers = self.process.stdin, self.process.stdout
        self.is_ready = self.answers.readline() == "ready\n"

    def ask(self, question: str) -> float:
        """The answer to one question of `work`."""
        self.questions.write(question + "\n")
        self.questions.flush()
        return float(self.answers.readline())


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
    if {"paper", "sharp"} <= set(contestants):
        compare_presets(contestants["paper"], contestants["sharp"], rounds)
    for contestant in contestants.values():
        contestant.questions.close()
        contestant.process.wait()


def compare_presets(paper: Contestant, sharp: Contestant, rounds: int) -> None:
    """Prints how much longer `paper` takes than `sharp` for what both do, by turn."""
    for question, what in (
        ("step", "a step with the adversarial term"),
        ("pixel", "a step without it"),
        ("forward", "restoring a picture"),
    ):
        answers = [(paper.ask(question), sharp.ask(question)) for _ in range(4 * rounds)]
        answers = answers[2:]  # not those that compile
        slow, quick = (statistics.median(times) * 1000 for times in zip(*answers, strict=True))
        ratio = statistics.median(one / other for one, other in answers)
        print(f"{what}: paper {slow:.0f} ms, sharp {quick:.0f} ms, {ratio:.1f} x")


def main() -> None:
    """Runs all contestants in turns, or is one of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--torch-python",
        default=os.environ.get("TORCH_PYTHON") or sys.executable,
        help="interpreter with PyTorch",
    )
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=4, help="of each contestant in a round")
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument("--contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contestant:
        work(arguments.contestant)
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    print(f"one step, of one picture of {SIZE} pixels or as much, {os.cpu_count()} cores")
    time_steps(arguments.only, arguments.torch_python, arguments.rounds, arguments.steps)


if __name__ == "__main__":
    main()
