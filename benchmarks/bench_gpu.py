"""Times training steps on a GPU: the effect of the batch and of determinism. Under ten minutes.

Each line is a process of its own, since determinism cannot be switched off again. Each line differs
from `make train` in one setting. After nine minutes no further process starts, and the remaining
lines say so. The last line estimates the time of `make train` with its default settings. The first
line is about restoring, with and without an accelerator of ONNX Runtime.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from PIL import Image

from train.settings import USUAL_STEPS

ROOT = Path(__file__).parent.parent
PRESETS = ("sharp", "paper")
BATCHES = (1, 4, 16, 64)
BATCHES_OF_OTHERS = (4, 16)  # with and without determinism
USUAL = ("sharp", 4, True)  # what `make train` does
LAST_START_S, LONGEST_S = 540, 120  # of all; of one process, which compiles two kinds of steps
NUM_TIMED = 20


def work(preset: str, batch: int, deterministic: bool) -> dict[str, float]:
    """Milliseconds per step with and without the adversarial term; peak GPU memory in MB."""
    from train.devices import load_tensorflow

    load_tensorflow()
    import tensorflow as tf

    from train.devices import dtype_policy_scope, enable_determinism, with_precision
    from train.settings import PRESETS as RECIPES
    from train.train_step import TrainState, build_train_step

    settings = with_precision(replace(RECIPES[preset], batch=batch))
    if deterministic:
        enable_determinism(settings)
    with dtype_policy_scope(settings.precision):
        state = TrainState(settings, num_steps=1000)
    train_step = build_train_step(state, settings, tf.distribute.get_strategy())
    side = settings.crop or 256
    pictures = [tf.random.uniform((batch, side, side, 3), -1, 1) for _ in range(2)]
    answer = {}
    for kind, adversarial in (("pixel_ms", False), ("adversarial_ms", True)):
        times = []
        for _ in range(3 + NUM_TIMED):
            begin = time.perf_counter()
            train_step(*pictures, adversarial)
            state.step.numpy()  # waits for the GPU
            times.append(time.perf_counter() - begin)
        answer[kind] = 1000 * statistics.median(times[3:])
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    peak = tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e6 if on_gpu else 0
    return answer | {"gpu": on_gpu, "peak_mb": peak}


def restoring() -> dict[str, float | str]:
    """Seconds per megapixel, blurred all over, on the CPU and on what `make deblur` takes."""
    import numpy as np

    from train.restore.engine import open_engine
    from train.restore.restore import restore
    from train.restore.session import Accelerator
    from train.run import PRETRAINED_DIR, Run

    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    photo = np.asarray(Image.fromarray(noise).resize((2048, 2048), Image.Resampling.BICUBIC))
    answer: dict[str, float | str] = {"accelerator": Accelerator("auto").name or "none here"}
    for device in ("cpu", "auto"):
        engine = open_engine(Run(PRETRAINED_DIR), device=device)
        times = []
        for _ in range(3):  # an accelerator's first photograph is computed both ways
            begin = time.perf_counter()
            restore(engine, photo)
            times.append(time.perf_counter() - begin)
        answer[device] = min(times) / (photo.shape[0] * photo.shape[1] / 1e6)
    return answer


def cases(presets: list[str], batches: list[int]) -> list[tuple[str, int, bool]]:
    """Preset, batch and determinism of each line, the most informative first."""
    plain = [(preset, batch, True) for batch in batches for preset in presets]
    others = [batch for batch in batches if batch in BATCHES_OF_OTHERS]
    return plain + [(preset, batch, False) for batch in others for preset in presets]


def answer_of(case: tuple[str, int, bool]) -> dict | str:
    """What a separate process measures, or the reason for no result."""
    command = [sys.executable, "-m", "benchmarks.bench_gpu", "--case", json.dumps(case)]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=LONGEST_S, check=True
        )
        return json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return f"not within {LONGEST_S} s"
    except subprocess.CalledProcessError as error:
        return (error.stderr.strip().splitlines() or ["ended"])[-1][:100]


def main() -> None:
    """Prints a table, one line a case as it comes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=list(PRESETS))
    parser.add_argument("--batches", nargs="+", type=int, default=list(BATCHES))
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    if arguments.case:
        print(json.dumps(work(*arguments.case) if arguments.case[0] else restoring()))
        return
    begun_s, usual_ms = time.monotonic(), 0.0
    answer = answer_of(("", 0, False))
    if not isinstance(answer, str):
        answer = "{cpu:.2f} s on the CPU, {auto:.2f} s with {accelerator}".format(**answer)
    print(f"restoring a megapixel: {answer}\n", flush=True)
    print(
        "| preset | batch | | ms per step, L1 loss | with adversarial term | images/s | peak MB |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for case in cases(arguments.presets, arguments.batches):
        preset, batch, deterministic = case
        how = "" if deterministic else "not deterministic"
        row = f"| {preset} | {batch} | {how} |"
        if time.monotonic() - begun_s > LAST_START_S:
            print(f"{row} left out: ten minutes are over | | | |", flush=True)
            continue
        answer = answer_of(case)
        if isinstance(answer, str):
            print(f"{row} {answer} | | | |", flush=True)
            continue
        pixel_ms, adversarial_ms = answer["pixel_ms"], answer["adversarial_ms"]
        # All steps of `paper` have the adversarial term, and a fifth of those of `sharp`.
        mean_ms = adversarial_ms if preset == "paper" else 0.8 * pixel_ms + 0.2 * adversarial_ms
        if (preset, batch, deterministic) == USUAL:
            usual_ms = mean_ms
        row += f" {pixel_ms:.1f} | {adversarial_ms:.1f} | {1000 * batch / mean_ms:.0f} |"
        peak = f"{answer['peak_mb']:.0f}" if answer["gpu"] else "no GPU, this is the CPU"
        print(f"{row} {peak} |", flush=True)
    if usual_ms:
        minutes = USUAL_STEPS * usual_ms / 60_000
        print(f"`make train` ({USUAL_STEPS} steps): about {minutes:.0f} minutes, and validations")


if __name__ == "__main__":
    main()
