"""Which devices share a run: one, all GPUs of a machine, or several machines.

A batch is shared out in equal parts, one a device, and everything that is learned from it is a mean
over the whole batch: how many devices there are changes the time that a run takes, not its result.
"""

import contextlib
import json
import math
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


def is_chief() -> bool:
    """Whether this is the machine that writes, of those of `TF_CONFIG`, or the only one."""
    try:
        task = json.loads(os.environ.get("TF_CONFIG", "{}")).get("task", {})
        return task.get("index", 0) == 0 and task.get("type", "worker") in ("worker", "chief")
    except (ValueError, TypeError, AttributeError):  # `strategy_for` says what is wrong with it
        return True


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


def finite_on_all(gradients: list[tf.Tensor]) -> list[tf.Tensor]:
    """Gradients as they are or, if one is not finite on any of the devices, not finite on all.

    Keras' loss scaling looks at a device's own gradients to decide whether to skip the update.
    Devices that decide differently would wait for each other, or add the infinite to the finite.
    """
    here = tf.distribute.get_replica_context()
    if here.num_replicas_in_sync == 1:
        return gradients
    finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients])
    spoil = here.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(finite, 0.0, math.inf))
    return [gradients[0] + spoil, *gradients[1:]]


def build_maximum(strategy: tf.distribute.Strategy) -> Callable[..., list[int]]:
    """A function that takes whole numbers, and gives the largest of each over all workers.

    Every worker has to call it at the same moment, or those that did would wait.
    """
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
def explain_lost_worker() -> Iterator[None]:
    """Turns what TensorFlow raises when another machine is gone into a ClusterError."""
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as error:
        raise ClusterError(
            "another machine is gone; start the same command on all of them again, it goes on from "
            "the newest checkpoint"
        ) from error
