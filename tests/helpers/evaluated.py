"""What stands in for networks under evaluation: a run that was never trained, a restoration."""

import functools
from pathlib import Path

import numpy as np

from prepare.records.blur import LensBlur, OutputSettings
from prepare.records.data_folder import DataFolder
from prepare.records.sets import KernelRecord
from train.dataset import read_picture, read_split
from train.evaluation import SAMPLE
from train.evaluation.baselines import baseline_ids, tuned_baselines
from train.evaluation.evaluate import evaluate
from train.evaluation.real_pairs import Example
from train.run import Run, RunRecord
from train.settings import TrainSettings
from train.stages import publish

NAME, KERNEL = "disc-r30", KernelRecord(LensBlur(30.0), OutputSettings(size=64))


class Restoration:
    """Stands in for a network; stops, as by Ctrl-C, after so many pictures."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.stop_after, self.num_calls = stop_after, 0

    def __call__(self, blurred_u8: np.ndarray) -> np.ndarray:
        if self.num_calls == self.stop_after:
            raise KeyboardInterrupt
        self.num_calls += 1
        return blurred_u8[::-1]


@functools.cache
def tuned_on(blurred: Path, sharp: Path) -> tuple:
    """`tuned_baselines` on one image, once for all tests of a data folder."""
    return tuned_baselines(KERNEL, [(read_picture(blurred), read_picture(sharp))])


def evaluate_set(
    data_dir: Path, folder: Path, restore=lambda blurred: blurred, baselines=SAMPLE, **changes
) -> dict:
    """Evaluates the test images of the set that a folder is called by, as the stage does."""
    data, split = DataFolder(data_dir), read_split(data_dir / "manifest.jsonl")
    test, tuning = (
        [Example(each, data.blurred_path(folder.name, each), data.sharp_path(each)) for each in ids]
        for ids in (split["test"], split["train"][:1])
    )
    classical, parameters = tuned_on(*tuning[0].files)
    context = {"kernel": folder.name, "step": 2, "weights": "a", "seed": 0, "split": "test"}
    context |= {"size": 64, "blur": KERNEL.content, "baselines": parameters} | changes
    sample = baseline_ids(split["test"], baselines)
    return evaluate(restore, test, folder, context, classical=classical, sample=sample)


def write_evaluated_run(run_dir: Path, data_dir: Path) -> None:
    """Writes the records of a run of two steps, which gives back what it is given, evaluated."""
    Run(run_dir).write(RunRecord(TrainSettings(steps=2), (NAME,), 32, "sharp"), ["CPU"])
    (run_dir / "log.csv").write_text("step,l1,validation_psnr_db\n1,0.5,30\n2,0.4,31\n")
    result = evaluate_set(data_dir, run_dir / "evaluation" / NAME)
    publish(run_dir, DataFolder(data_dir), {NAME: result})
