"""Which devices share a run: one, all GPUs of a machine, or several machines.

A batch is shared out in equal parts, one a device, and everything that is learned from it is a mean
over the whole batch: how many devices there are changes the time that a run takes, not its result.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator

import tensorflow as tf

from train import TrainError
from train.settings import TrainSettings


class UnsharedBatchError(TrainError):
    """A batch cannot be shared out among the devices."""


class ClusterError(TrainError):
    """The machines of `TF_CONFIG` cannot train together, or no longer do."""


def strategy_for(settings: TrainSettings) -> tf.distribute.Strategy:
    """The devices at hand: the machines of `TF_CONFIG`, or else all GPUs, or else one device.

    TensorFlow wants several machines to be named before anything else is computed.

    Raises:
        ClusterError: if `TF_CONFIG` is set, but not as TensorFlow expects it.
    """
    if "TF_CONFIG" in os.environ:
        try:
            if json.loads(os.environ["TF_CONFIG"]).get("cluster"):
                return tf.distribute.MultiWorkerMirroredStrategy()
        except (ValueError, KeyError, TypeError, AttributeError, tf.errors.OpError) as error:
            reason = str(error).splitlines()[0]
            raise ClusterError(f"the machines of TF_CONFIG cannot be joined: {reason}") from error
    num_gpus = len(tf.config.list_logical_devices("GPU"))
    if num_gpus < 2:
        return tf.distribute.get_strategy()
    if settings.batch == 1:
        print(f"one of {num_gpus} GPUs is used, since a batch of 1 cannot be shared; see --batch")
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy()


def check_shares(settings: TrainSettings, strategy: tf.distribute.Strategy) -> None:
    """Raises UnsharedBatchError if the devices of a strategy cannot share every batch equally."""
    num_devices = strategy.num_replicas_in_sync
    if settings.batch % num_devices:
        raise UnsharedBatchError(
            f"--batch must be a multiple of {num_devices}, the number of devices that share it, "
            f"got {settings.batch}"
        )
    if settings.xla and num_devices > 1:
        raise UnsharedBatchError(f"--xla compiles for one device, not for {num_devices}")


def build_on_any(strategy: tf.distribute.Strategy) -> Callable[..., list[bool]]:
    """A function that tells which of its arguments are true on at least one machine.

    Every machine has to call it at the same step: all stop together, or those left would wait.
    """
    if strategy.cluster_resolver is None:
        return lambda *flags: list(flags)

    @tf.function
    def total(flags: tf.Tensor) -> tf.Tensor:
        def over_devices() -> tf.Tensor:
            here = tf.distribute.get_replica_context()
            return here.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(flags))

        return strategy.experimental_local_results(strategy.run(over_devices))[0]

    return lambda *flags: [bool(each) for each in total(tf.cast(flags, tf.float32)).numpy()]


@contextlib.contextmanager
def lost_machines_named() -> Iterator[None]:
    """Turns what TensorFlow raises when another machine is gone into a ClusterError."""
    gone = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)
    try:
        yield
    except gone as error:
        raise ClusterError(
            "another machine is gone; start the same command on all again, it goes on from the "
            f"newest checkpoint ({error.message.splitlines()[0]})"
        ) from error
