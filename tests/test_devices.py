"""The process and its devices: signals, memory, shares of a batch, several machines."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.pair_files import ROOT
from helpers.ports import free_ports
from helpers.runs import (
    SETTINGS,
    assert_same_run,
    folders_of,
    lines_in,
    record_of,
    steps_in,
    tensors_of,
)

import pipeline
from prepare.records.settings import SettingError
from train import devices
from train.dataset import training_batches
from train.devices import (
    SIGNALS,
    ClusterError,
    deferred_interrupts,
    finite_on_all,
    free_bytes,
    strategy_for,
)
from train.loop import train

SHARED = replace(SETTINGS, batch=4, precision="float32", gan_start=0, normalization="batch")
# Of a tensor's norm. Statistics over few and small pictures make much of a last bit, and second
# moments are means of squares, whose errors are twice as large.
TOLERANCE = 5e-3


# The process.


def test_a_terminal_is_told_while_tensorflow_loads_and_left_clean():
    master, slave = os.openpty()
    code = "from train.devices import load_tensorflow; load_tensorflow()"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, stderr=slave, check=True, timeout=300)
    assert os.read(master, 100_000) == b"loading TensorFlow ..\r\x1b[K"
    for end in (master, slave):
        os.close(end)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_waits_for_the_step(number):
    before = signal.getsignal(number)
    with deferred_interrupts() as received:
        assert received == []
        os.kill(os.getpid(), number)
        assert received == [number]
    assert signal.getsignal(number) is before


def test_a_second_signal_ends_a_process_that_hangs_outside_of_python():
    code = (
        "import hashlib\nfrom train.devices import deferred_interrupts\n"
        "with deferred_interrupts():\n    print('now', flush=True)\n"
        "    hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, **pipes)
    try:
        assert process.stdout.readline() == b"now\n"
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 130
        assert b"the same command continues" in process.stderr.read()
    finally:
        process.kill()


def test_the_tightest_limit_of_memory_counts(tmp_path, monkeypatch):
    assert free_bytes() is None or 0 <= free_bytes() < 1 << 50
    monkeypatch.setattr(devices, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(devices, "CGROUP", tmp_path)
    assert free_bytes() is None
    (tmp_path / "meminfo").write_text("MemTotal:  9 kB\nMemAvailable:   3 kB\n")
    assert free_bytes() == 3 * 1024
    (tmp_path / "memory.current").write_text("900\n")
    for limit, free in (("max", 3 * 1024), ("1000", 100), ("800", 0)):
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        assert free_bytes() == free
    (tmp_path / "meminfo").write_text("no memory")
    assert free_bytes() == 0


# Shares of a batch.


@pytest.mark.parametrize(("num_machines", "num_devices"), [(1, 2), (2, 2), (4, 1)])
def test_shares_put_together_are_the_joint_batch(data_dir, num_machines, num_devices):
    pairs, _ = folders_of(data_dir)
    joint = list(training_batches(pairs, SHARED, 1, 4))
    num_shares = num_machines * num_devices
    shares = []
    for machine in range(num_machines):
        context = tf.distribute.InputContext(num_machines, machine, num_shares)
        shares.append(iter(training_batches(pairs, SHARED, 1, 4, context)))
    for blurred, sharp in joint:
        parts = [next(share) for share in shares for _ in range(num_devices)]
        np.testing.assert_array_equal(tf.concat([part[0] for part in parts], 0), blurred)
        np.testing.assert_array_equal(tf.concat([part[1] for part in parts], 0), sharp)
    assert all(next(share, None) is None for share in shares)


def test_a_batch_that_cannot_be_shared_is_refused(data_dir, tmp_path):
    pairs, validation = folders_of(data_dir)
    record, two = (
        record_of(replace(SHARED, batch=3), pairs),
        SimpleNamespace(num_replicas_in_sync=2),
    )
    with pytest.raises(SettingError, match="batch must be a multiple of 2, the number of devices"):
        train(tmp_path, pairs, validation, record, two)


@pytest.mark.parametrize("config", ["none", "[]"])
def test_cluster_that_cannot_be_read_is_named(monkeypatch, config):
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(ClusterError, match="the machines of TF_CONFIG cannot be joined: "):
        strategy_for(SHARED)


# Two devices of one machine, in a process of their own, for their number is fixed at its start.


def make_two_devices():
    cpus = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )


@pytest.fixture
def two_devices():
    """A process that has them; what one strategy leaves there disturbs another."""
    with ProcessPoolExecutor(1, get_context("spawn"), make_two_devices) as process:
        yield process


def train_on(cpus, run_dir, data_dir):
    pairs, validation = folders_of(data_dir)
    strategy = tf.distribute.MirroredStrategy(cpus) if cpus else None
    return train(run_dir, pairs, validation, record_of(SHARED, pairs), strategy)


def test_two_devices_learn_what_one_learns_from_the_joint_batch(two_devices, data_dir, tmp_path):
    """Weights, optimizers and losses agree as far as the order of a sum allows."""
    one_dir, two_dir = tmp_path / "one", tmp_path / "two"
    done = two_devices.submit(train_on, ["CPU:0", "CPU:1"], two_dir, data_dir)
    train_on([], one_dir, data_dir)
    assert done.result(timeout=600)
    one, two = tensors_of(one_dir, 4), tensors_of(two_dir, 4)
    assert one.keys() == two.keys()
    for name, expected in one.items():
        apart = np.linalg.norm(two[name] - expected)
        assert apart <= TOLERANCE * np.linalg.norm(expected), name
    logs = [np.genfromtxt(each / "log.csv", delimiter=",")[1:] for each in (one_dir, two_dir)]
    np.testing.assert_allclose(*logs, rtol=TOLERANCE)


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


def test_overflow_on_one_device_skips_the_update_on_all(two_devices):
    first, second, none = (
        two_devices.submit(update_with_overflow_on, bad_device).result(timeout=300)
        for bad_device in (0, 1, -1)
    )
    assert first == second == ([[1.0, 2.0], [3.0]], 0)
    # Each gradient of 1, scaled by 2, is summed over both devices.
    assert none == ([[0.0, 1.0], [2.0]], 1)


# Two machines: two processes that meet on 127.0.0.1, started by the command people type.


NUM_STEPS = 40  # enough for two signals to come before the end
FLAGS = {"batch": 2, "crop": 0, "channels": 4, "blocks": 1, "gan_weight": 0, "steps": NUM_STEPS}
FLAGS |= {"log_every": 1, "sample_every": 20, "precision": "float32"}


def command(data_dir, runs_dir, *flags):
    arguments = ["train", "--data-dir", data_dir, "--runs-dir", runs_dir, "--run", "r", *flags]
    for name, value in FLAGS.items():
        arguments += [f"--{name.replace('_', '-')}", value]
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
    errors = [process.communicate(timeout=600)[1] for process in processes]
    return [process.returncode for process in processes], errors


@pytest.mark.slow
def test_machines_learn_what_one_does_and_go_on_to_the_same_end_when_one_was_stopped(
    data_dir, tmp_path
):
    whole = start_machines(command(data_dir, tmp_path / "whole"))
    codes, errors = end_of(whole)
    assert codes == [0, 0], errors
    [_] = (tmp_path / "whole" / "r").glob("events.*")  # only the first machine writes
    # A single machine learns the same from the joint batch, as its losses tell.
    assert pipeline.main(command(data_dir, tmp_path / "one")[2:]) == 0
    losses = [
        np.genfromtxt(tmp_path / name / "r" / "log.csv", delimiter=",", usecols=range(7))[1:12]
        for name in ("one", "whole")
    ]
    np.testing.assert_allclose(*losses, rtol=TOLERANCE)
    run_dir = tmp_path / "r"
    arguments = command(data_dir, tmp_path, "--checkpoint-minutes", 0)
    for signal_number, expected in ((signal.SIGTERM, [130, 130]), (signal.SIGKILL, [1, -9])):
        num_lines = lines_in(run_dir / "log.csv")
        processes = start_machines(arguments)
        until_s = time.monotonic() + 300
        while lines_in(run_dir / "log.csv") < num_lines + 3:
            assert time.monotonic() < until_s
            assert all(process.poll() is None for process in processes)
            time.sleep(0.01)
        processes[1].send_signal(signal_number)
        codes, errors = end_of(processes)
        assert codes == expected, errors
        assert "Traceback" not in errors[0]
        assert 1 <= steps_in(run_dir)[-1] < NUM_STEPS
    assert "error: another machine is lost; start the same command" in errors[0]
    codes, errors = end_of(start_machines(arguments))
    assert codes == [0, 0], errors
    assert_same_run(tmp_path / "whole" / "r", run_dir, NUM_STEPS)
