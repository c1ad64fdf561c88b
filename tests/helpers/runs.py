"""Short runs on small pictures, and what they leave behind."""

from dataclasses import replace

import numpy as np
import tensorflow as tf

from helpers.pair_files import tree
from prepare.records.data_folder import DataFolder
from train.checkpoints import save_generator
from train.dataset import find_pairs, read_split
from train.loop import train
from train.networks.generators import build_generator
from train.run import Run, RunRecord
from train.settings import TrainSettings

SETTINGS = TrainSettings(
    batch=1,
    crop=0,
    channels=4,
    blocks=1,
    learning_rate=0.01,
    gan_start=0.5,  # the adversarial term from step 3 on
    steps=4,
    jitter_px=3,
    log_every=1,
    sample_every=2,
    checkpoint_minutes=0,
)
PATIENCE_S = 900  # of a machine with much else to do; seconds alone
IDS = [f"{index:02d}" for index in range(10)]
KERNEL = "disc-r30"


def folders_of(data_dir):
    """Training and validation pairs of a data folder, as the command line finds them."""
    data, split = DataFolder(data_dir), read_split(data_dir / "manifest.jsonl")
    blurred_dirs = [data.blurred / KERNEL]
    return [find_pairs(split[side], data.sharp, blurred_dirs) for side in ("train", "validation")]


def record_of(settings, pairs):
    """What the command line would record of a run with these settings."""
    return RunRecord(settings, (KERNEL,), pairs.size, "sharp")


def run(run_dir, data_dir, source=None, **changes):
    """Trains in this process."""
    pairs, validation = folders_of(data_dir)
    name = source.name if source else None
    record = record_of(replace(SETTINGS, from_run=name, **changes), pairs)
    return train(run_dir, pairs, validation, record, source=Run(source) if source else None)


def write_untrained(run_dir, **changes):
    """A run with one checkpoint of its generator, and nothing else."""
    record = RunRecord(SETTINGS, (KERNEL,), 32, "sharp", **changes)
    Run(run_dir).write(record, ["CPU"])
    save_generator(build_generator(SETTINGS), run_dir, 4)
    return Run(run_dir)


def steps_in(run_dir):
    return sorted(int(path.stem.split("-")[1]) for path in run_dir.glob("ckpt-*.index"))


def tensors_of(run_dir, step):
    """Everything a checkpoint holds but for the count of savings, by name."""
    reader = tf.train.load_checkpoint(str(run_dir / f"ckpt-{step}"))
    names = reader.get_variable_to_shape_map()
    return {
        name: reader.get_tensor(name)
        for name in names
        if "save_counter" not in name and name != "_CHECKPOINTABLE_OBJECT_GRAPH"
    }


def assert_same_run(one_dir, other_dir, step):
    one, other = tensors_of(one_dir, step), tensors_of(other_dir, step)
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    assert (one_dir / "log.csv").read_bytes() == (other_dir / "log.csv").read_bytes()
    assert tree(one_dir / "samples") == tree(other_dir / "samples")


def lines_in(path):
    return len(path.read_text().splitlines()) if path.exists() else 0
