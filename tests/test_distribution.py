import json
import math
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.pair_files import ROOT, write_matched_folders
from helpers.ports import free_ports
from helpers.runs import (
    IDS,
    assert_same_run,
    folders_of,
    lines_in,
    record_of,
    steps_in,
    tensors_of,
)

from train.dataset import training_batches
from train.devices import finite_on_all
from train.loop import train
from train.settings import TrainSettings

SETTINGS = TrainSettings(
    steps=4,
    batch=4,
    schedule="constant",
    jitter_px=3,
    precision="float32",
    log_every=1,
    sample_every=2,
)
# Of a tensor's norm. Statistics over few and small pictures make more of a last bit than none do.
# Second moments are means of squares, whose errors are twice as large.
TOLERANCE = {"none": 6e-4, "instance": 6e-4, "batch": 5e-3}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return write_matched_folders(tmp_path_factory.mktemp("data"), IDS, size=32)


def assert_close_runs(one_dir, other_dir, step, tolerance):
    """Weights, optimizers and losses agree as far as the order of a sum allows."""
    one, other = tensors_of(one_dir, step), tensors_of(other_dir, step)
    assert one.keys() == other.keys()
    for name, expected in one.items():
        apart = np.linalg.norm(other[name] - expected)
        assert apart <= tolerance * np.linalg.norm(expected), name
    logs = [np.genfromtxt(each / "log.csv", delimiter=",")[1:] for each in (one_dir, other_dir)]
    np.testing.assert_allclose(*logs, rtol=tolerance)


# Shares of a batch.


@pytest.mark.parametrize(("num_machines", "num_devices"), [(1, 2), (2, 1), (2, 2), (4, 1)])
def test_shares_put_together_are_the_joint_batch(data_dir, num_machines, num_devices):
    pairs, _ = folders_of(data_dir)
    joint = list(training_batches(pairs, SETTINGS, 1, 4))
    num_shares = num_machines * num_devices
    shares = []
    for machine in range(num_machines):
        context = tf.distribute.InputContext(num_machines, machine, num_shares)
        shares.append(iter(training_batches(pairs, SETTINGS, 1, 4, context)))
    for blurred, sharp in joint:
        parts = [next(share) for share in shares for _ in range(num_devices)]
        np.testing.assert_array_equal(tf.concat([part[0] for part in parts], 0), blurred)
        np.testing.assert_array_equal(tf.concat([part[1] for part in parts], 0), sharp)
    assert all(next(share, None) is None for share in shares)


# Two devices of one machine, in a process of their own, for their number is fixed at its start.


def make_two_devices():
    cpus = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )


def on_two_devices(function, *arguments):
    with ProcessPoolExecutor(1, get_context("spawn"), make_two_devices) as process:
        return process.submit(function, *arguments).result(timeout=300)


def train_on(devices, run_dir, data_dir, normalization):
    pairs, validation = folders_of(data_dir)
    settings = TrainSettings(**(vars(SETTINGS) | {"normalization": normalization}))
    strategy = tf.distribute.MirroredStrategy(devices) if devices else None
    return train(run_dir, pairs, validation, record_of(settings, pairs), strategy)


@pytest.mark.slow
@pytest.mark.parametrize("normalization", TOLERANCE)
def test_two_devices_learn_what_one_learns_from_the_joint_batch(data_dir, tmp_path, normalization):
    train_on([], tmp_path / "one", data_dir, normalization)
    devices = ["CPU:0", "CPU:1"]
    on_two_devices(train_on, devices, tmp_path / "two", data_dir, normalization)
    assert_close_runs(tmp_path / "one", tmp_path / "two", 4, TOLERANCE[normalization])


def update_with_overflow_on(bad_device):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        weights = [keras.Variable([1.0, 2.0]), keras.Variable([3.0])]
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1.0), 2.0)
        optimizer.build(weights)

    def update_on_share():
        here = tf.distribute.get_replica_context().replica_id_in_sync_group
        last = tf.where(tf.equal(here, bad_device), [math.inf], [1.0])
        optimizer.apply(finite_on_all([tf.ones(2), last]), weights)

    tf.function(lambda: strategy.run(update_on_share))()
    return [each.numpy().tolist() for each in weights], int(optimizer.iterations.numpy())


def test_overflow_on_one_device_skips_the_update_on_all():
    for bad_device in (0, 1):
        assert on_two_devices(update_with_overflow_on, bad_device) == ([[1.0, 2.0], [3.0]], 0)
    # Each gradient of 1, scaled by 2, is summed over both devices.
    assert on_two_devices(update_with_overflow_on, -1) == ([[0.0, 1.0], [2.0]], 1)


# Two machines: two processes that meet on 127.0.0.1, started by the command people type.


def command(data_dir, runs_dir, *flags):
    arguments = ["train", "--data-dir", data_dir, "--runs-dir", runs_dir, "--run", "r", *flags]
    return [sys.executable, str(ROOT / "pipeline.py"), *map(str, arguments)]


def start_machines(arguments):
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    processes = []
    for index in range(2):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = os.environ | {"TF_CONFIG": json.dumps(config)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        processes.append(subprocess.Popen(arguments, cwd=ROOT, env=environment, **pipes))
    return processes


def end_of(processes):
    """Exit codes and what was said on stderr."""
    errors = [process.communicate(timeout=300)[1] for process in processes]
    return [process.returncode for process in processes], errors


FLAGS = ("--batch", 4, "--log-every", 2, "--sample-every", 4, "--jitter-px", 3)


@pytest.mark.slow
@pytest.mark.parametrize("normalization", ["none", "batch"])
def test_two_machines_learn_what_one_learns_from_the_joint_batch(data_dir, tmp_path, normalization):
    same = ("--normalization", normalization, "--precision", "float32")
    flags = ("--steps", 4, *same, *FLAGS)
    subprocess.run(command(data_dir, tmp_path / "one", *flags), cwd=ROOT, check=True, timeout=300)
    codes, errors = end_of(start_machines(command(data_dir, tmp_path / "two", *flags)))
    assert codes == [0, 0], errors
    one_dir, two_dir = tmp_path / "one" / "r", tmp_path / "two" / "r"
    assert_close_runs(one_dir, two_dir, 4, TOLERANCE[normalization])
    [_] = two_dir.glob("events.*")  # only the first machine writes


@pytest.fixture(scope="module")
def undisturbed(data_dir, tmp_path_factory):
    """A run of 12 steps on two machines."""
    runs_dir = tmp_path_factory.mktemp("undisturbed")
    codes, errors = end_of(start_machines(command(data_dir, runs_dir, "--steps", 12, *FLAGS)))
    assert codes == [0, 0], errors
    return runs_dir / "r"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signal_number", "expected_codes"),
    [(signal.SIGTERM, [130, 130]), (signal.SIGKILL, [1, -signal.SIGKILL])],
)
def test_machines_of_which_one_was_stopped_go_on_to_the_same_end(
    data_dir, undisturbed, tmp_path, signal_number, expected_codes
):
    run_dir = tmp_path / "r"
    arguments = command(data_dir, tmp_path, "--steps", 12, *FLAGS, "--checkpoint-minutes", 0)
    processes = start_machines(arguments)
    until_s = time.monotonic() + 120
    while lines_in(run_dir / "log.csv") < 3:
        assert time.monotonic() < until_s
        assert all(process.poll() is None for process in processes)
        time.sleep(0.01)
    processes[1].send_signal(signal_number)
    codes, errors = end_of(processes)
    assert codes == expected_codes, errors
    assert "Traceback" not in errors[0]
    if signal_number == signal.SIGKILL:
        assert "error: another machine is gone; start the same command" in errors[0]
    assert 1 <= steps_in(run_dir)[-1] < 12
    codes, errors = end_of(start_machines(arguments))
    assert codes == [0, 0], errors
    assert_same_run(undisturbed, run_dir, 12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--batch", 3], "--batch must be a multiple of 2, the number of devices"),
    ],
)
def test_what_two_machines_cannot_share_is_refused(data_dir, tmp_path, flags, expected):
    codes, errors = end_of(start_machines(command(data_dir, tmp_path, "--steps", 2, *flags)))
    assert codes == [1, 1]
    for error in errors:
        [line] = error.splitlines()
        assert line.startswith(f"error: {expected}")
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("config", ["none", '{"cluster": {"worker": ["127.0.0.1:1"]}}', "[]"])
def test_cluster_that_cannot_be_read_is_an_error_of_one_line(data_dir, tmp_path, config):
    done = subprocess.run(
        command(data_dir, tmp_path, "--steps", 1),
        cwd=ROOT,
        env=os.environ | {"TF_CONFIG": config},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("error: the machines of TF_CONFIG cannot be joined: ")
