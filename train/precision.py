"""Which numbers a run computes with, and that equal runs compute the same."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import keras
import tensorflow as tf

from train.settings import TrainSettings


def with_precision(settings: TrainSettings) -> TrainSettings:
    """The settings, with the precision "auto" replaced by the one that suits this machine.

    That is bfloat16 on processors that multiply in it, float32 on all others and on GPUs.
    """
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
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def enable_determinism(settings: TrainSettings) -> None:
    """Makes equal runs equal to the last bit."""
    tf.config.experimental.enable_op_determinism()  # costs nothing that could be measured
    # One fusion of TensorFlow's trips over LeakyReLU's gradient, says so, and gains nothing here.
    tf.config.optimizer.set_experimental_options({"remapping": False})
    tf.random.set_seed(settings.seed)
