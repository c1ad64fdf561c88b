"""The process that trains: TensorFlow's start, its devices and machines, precision and signals.

A run uses one device, all GPUs of a machine, or several machines. Each device gets an equal part of
a batch, and everything that is learned from a batch is a mean over the whole batch. So the number
of devices changes the time of a run, not its result. TensorFlow is imported inside functions, so
that the command line does not wait for it.
"""

import contextlib
import json
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from train import TrainError
from train.settings import TrainSettings

if TYPE_CHECKING:
    import tensorflow as tf

MEMINFO, CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")
LEAST_KB = 3_500_000  # of addresses: the smallest training ends in a segmentation fault with 3.0
# Ctrl-C, `kill`, and a terminal that was closed (which Windows does not know).
SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class FullMemoryError(TrainError):
    """A step takes more memory than a device has."""


class ClusterError(TrainError):
    """The machines of `TF_CONFIG` cannot train together, or no longer do."""


def load_tensorflow() -> None:
    """Imports TensorFlow without its start-up messages, which no setting turns off.

    It takes seconds, which a terminal shows. FullMemoryError if `ulimit -v` is too low for it.
    """
    with contextlib.suppress(ImportError):  # Windows
        import resource

        limit_kb = resource.getrlimit(resource.RLIMIT_AS)[0] // 1024
        if 0 <= limit_kb < LEAST_KB:
            raise FullMemoryError(f"TensorFlow needs `ulimit -v {LEAST_KB}`, it is {limit_kb}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    shows = sys.stderr.isatty() and "tensorflow" not in sys.modules
    if shows:
        print("loading TensorFlow ..", end="", file=sys.stderr, flush=True)
    stderr = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        import tensorflow as tf

        # Not the logical ones: that starts them, which several machines have to do together.
        tf.config.list_physical_devices()
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        if shows:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def free_bytes() -> int | None:
    """Bytes that a process may still take, of the machine or of its control group; None if unknown.

    Reference: proc(5), MemAvailable; the Linux kernel's control group v2, memory.max.
    """
    found = []
    with contextlib.suppress(OSError, ValueError, LookupError):
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
        found.append(int(lines["MemAvailable"].split()[0]) * 1024)
    with contextlib.suppress(OSError, ValueError):  # "max" is no limit
        limit = int((CGROUP / "memory.max").read_text())
        found.append(max(0, limit - int((CGROUP / "memory.current").read_text())))
    return min(found, default=None)


# Signals.


def heeded_signals() -> list[int]:
    """Those that are not ignored: `nohup` has SIGHUP ignored, and then it stays so."""
    return [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[list[int]]:
    """Delays signals until a step is complete and recorded; a second one ends the process at once.

    Handlers in Python wait until TensorFlow returns, and where memory ran out it may never do so.
    A thread therefore counts the signals; a checkpoint that it cuts off costs nothing.
    """
    received: list[int] = []
    numbers = heeded_signals()
    reader, writer = os.pipe()
    if sys.platform != "win32":
        os.set_blocking(writer, False)  # as the interpreter demands

    def count() -> None:
        num_signals = 0
        while noted := os.read(reader, 1):
            num_signals += noted[0] in numbers
            if num_signals > 1:
                os.write(
                    2, b"\nstopped at once; the same command continues from the last checkpoint\n"
                )
                os._exit(130)

    handlers = {
        number: signal.signal(number, lambda number, _: received.append(number))
        for number in numbers
    }
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    counter = Thread(target=count, daemon=True)
    counter.start()
    try:
        yield received
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(writer)
        counter.join()
        os.close(reader)


# Which numbers a run computes with, and that equal runs compute the same.


def with_precision(settings: TrainSettings) -> TrainSettings:
    """The settings, with the precision "auto" replaced by the one that suits this machine.

    That is bfloat16 on processors that multiply in it, float32 on all others and on GPUs.
    """
    import tensorflow as tf

    if settings.precision != "auto":
        return settings
    cpuinfo = Path("/proc/cpuinfo")  # Linux; elsewhere float32
    flags = cpuinfo.read_text() if cpuinfo.exists() else ""
    native = "avx512_bf16" in flags or "amx_bf16" in flags
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    return replace(settings, precision="bfloat16" if native and not on_gpu else "float32")


@contextlib.contextmanager
def dtype_policy_scope(precision: str) -> Iterator[None]:
    """Networks built inside compute in this precision; their weights are float32 in any case."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def enable_determinism(settings: TrainSettings) -> None:
    """Makes equal runs equal to the last bit."""
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()  # costs nothing that could be measured
    # One fusion of TensorFlow's trips over LeakyReLU's gradient, says so, and gains nothing here.
    tf.config.optimizer.set_experimental_options({"remapping": False})
    tf.random.set_seed(settings.seed)


# Several devices, and several machines.


def strategy_for(settings: TrainSettings) -> "tf.distribute.Strategy":
    """The devices to use: the machines of `TF_CONFIG`, or else all GPUs, or else one device.

    TensorFlow wants several machines to be named before anything else is computed. Raises
    ClusterError if `TF_CONFIG` is set, but not as TensorFlow expects it.
    """
    import tensorflow as tf

    if "TF_CONFIG" in os.environ:
        try:
            if json.loads(os.environ["TF_CONFIG"]).get("cluster"):
                return tf.distribute.MultiWorkerMirroredStrategy()
        except (ValueError, KeyError, TypeError, AttributeError, tf.errors.OpError) as error:
            reason = str(error).splitlines()[0]
            raise ClusterError(f"the machines of TF_CONFIG cannot be joined: {reason}") from error
    num_gpus = len(tf.config.list_logical_devices("GPU"))
    if num_gpus > 1 and settings.batch > 1:
        return tf.distribute.MirroredStrategy()
    if num_gpus > 1:
        print(f"one of {num_gpus} GPUs is used, since a batch of 1 cannot be shared; see --batch")
    return tf.distribute.get_strategy()


def is_chief() -> bool:
    """Whether this is the machine that writes, of those of `TF_CONFIG`, or the only one."""
    try:
        task = json.loads(os.environ.get("TF_CONFIG", "{}")).get("task", {})
        return task.get("index", 0) == 0 and task.get("type", "worker") in ("worker", "chief")
    except (ValueError, TypeError, AttributeError):  # `strategy_for` says what is wrong with it
        return True


def finite_on_all(gradients: "list[tf.Tensor]") -> "list[tf.Tensor]":
    """Gradients as they are or, if one is not finite on any of the devices, not finite on all.

    Keras' loss scaling looks at a device's own gradients to decide whether to skip the update.
    Devices that decide differently would wait for each other, or add the infinite to the finite.
    """
    import tensorflow as tf

    here = tf.distribute.get_replica_context()
    if here.num_replicas_in_sync == 1:
        return gradients
    finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients])
    spoil = here.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(finite, 0.0, math.inf))
    return [gradients[0] + spoil, *gradients[1:]]


def build_maximum(strategy: "tf.distribute.Strategy") -> Callable[..., list[int]]:
    """A function that takes whole numbers, and gives the largest of each over all workers.

    Every worker has to call it at the same moment, or those that did would wait.
    """
    import tensorflow as tf

    if strategy.cluster_resolver is None:
        return lambda *numbers: [int(number) for number in numbers]

    @tf.function
    def maximum(numbers: tf.Tensor) -> tf.Tensor:
        def over_devices() -> tf.Tensor:
            here = tf.distribute.get_replica_context()
            return tf.reduce_max(here.all_gather(numbers[None], axis=0), axis=0)

        return strategy.experimental_local_results(strategy.run(over_devices))[0]

    return lambda *numbers: maximum(tf.cast(numbers, tf.int64)).numpy().tolist()


def check_same(across_workers: Callable[..., list[int]], *numbers: int) -> None:
    """Raises ClusterError, on every worker, if the numbers are not the same on all.

    They are where neither the largest nor the smallest of any worker is another than its own.
    """
    both = [*numbers, *(-number for number in numbers)]
    if across_workers(*both) != both:
        raise ClusterError(
            "the machines differ in flags, number of images or checkpoint: start the same command "
            "on all, each with all the images, and the run folder on a disk that all share"
        )


@contextlib.contextmanager
def explain_devices() -> Iterator[None]:
    """Turns errors of full memory and lost machines into errors of ours."""
    import tensorflow as tf

    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise FullMemoryError(
            "the network needs more memory than is free; free some, or make BATCH, CROP or "
            "CHANNELS smaller in a new run (RUN=..)"
        ) from error
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as error:
        raise ClusterError(
            "another machine is lost; start the same command on all of them again, it continues "
            "from the newest checkpoint"
        ) from error
