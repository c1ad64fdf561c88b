"""Times training steps on a GPU: what the batch and determinism are worth. Under ten minutes.

Each line is a process of its own, since determinism, once on, stays on. One thing at a time differs
from what `make train` does. After nine minutes no further process is begun, and what is left is
named.
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

ROOT = Path(__file__).parent.parent
PRESETS = ("sharp", "paper")
BATCHES = (1, 4, 16, 64)
BATCHES_OF_OTHERS = (4, 16)  # at which determinism is tried
LAST_START_S, LONGEST_S = 540, 120  # of all; of one process, which compiles two kinds of steps
NUM_TIMED = 20


def work(preset: str, batch: int, deterministic: bool) -> dict[str, float]:
    """Milliseconds of a step of both kinds, and the peak of the GPU's memory, MB."""
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


def cases(presets: list[str], batches: list[int]) -> list[tuple[str, int, bool]]:
    """Preset, batch and determinism of each line, the most telling first."""
    plain = [(preset, batch, True) for batch in batches for preset in presets]
    others = [batch for batch in batches if batch in BATCHES_OF_OTHERS]
    return plain + [(preset, batch, False) for batch in others for preset in presets]


def answer_of(case: tuple[str, int, bool]) -> dict[str, float] | str:
    """What a process of its own measures, or why it does not."""
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
        print(json.dumps(work(*arguments.case)))
        return
    begun_s = time.monotonic()
    print(
        "| preset | batch | | ms a step, pixel term | with the adversarial | images/s | peak MB |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for case in cases(arguments.presets, arguments.batches):
        preset, batch, deterministic = case
        how = "" if deterministic else "not deterministic"
        row = f"| {preset} | {batch} | {how} |"
        if time.monotonic() - begun_s > LAST_START_S:
            print(f"{row} left out, the time is over | | | |", flush=True)
            continue
        answer = answer_of(case)
        if isinstance(answer, str):
            print(f"{row} {answer} | | | |", flush=True)
            continue
        pixel_ms, adversarial_ms = answer["pixel_ms"], answer["adversarial_ms"]
        # Those of the preset: of `paper` all steps have the adversarial term, of `sharp` a fifth.
        mean_ms = adversarial_ms if preset == "paper" else 0.8 * pixel_ms + 0.2 * adversarial_ms
        row += f" {pixel_ms:.1f} | {adversarial_ms:.1f} | {1000 * batch / mean_ms:.0f} |"
        peak = f"{answer['peak_mb']:.0f}" if answer["gpu"] else "no GPU, this is the CPU"
        print(f"{row} {peak} |", flush=True)


if __name__ == "__main__":
    main()
