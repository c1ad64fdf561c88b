"""What stands in for networks under evaluation: a run that was never trained, a restoration."""

import csv

import numpy as np

from prepare.records.sets import read_kernel
from train.dataset import find_pairs, read_split
from train.evaluation.evaluate import evaluate
from train.log import COLUMNS
from train.report.radius_curve import write_curve
from train.run import Run, RunRecord
from train.settings import TrainSettings


class Restoration:
    """Stands in for a network; stops, as by Ctrl-C, after so many pictures."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.stop_after, self.num_calls = stop_after, 0

    def __call__(self, blurred_u8: np.ndarray) -> np.ndarray:
        if self.num_calls == self.stop_after:
            raise KeyboardInterrupt
        self.num_calls += 1
        return blurred_u8[::-1]


def write_evaluated_run(run_dir, data_dir, name="disc-r30"):
    """Writes the records of a run of two steps, which gives back what it is given, evaluated."""
    Run(run_dir).write(RunRecord(TrainSettings(steps=2), (name,), 32, "sharp"), ["CPU"])
    with (run_dir / "log.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(dict.fromkeys(COLUMNS, 0.5) | {"step": step} for step in (1, 2))
    sharp_dir, blurred_dir = data_dir / "not_blurred_resized", data_dir / "blurred_resized" / name
    split = read_split(data_dir / "manifest.jsonl")
    test, tuning = (find_pairs(split[side], sharp_dir, [blurred_dir]) for side in ("test", "train"))
    context = {"kernel": name, "step": 2, "seed": 0}
    folder = run_dir / "evaluation" / name
    evaluate(lambda blurred: blurred, test, tuning, folder, read_kernel(blurred_dir), context)
    write_curve(run_dir / "evaluation", [name])
