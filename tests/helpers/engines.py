"""Generators in ONNX Runtime, without a run about them."""

import functools

import keras

from train.export import notes_of
from train.export.onnx import onnx_of
from train.restore.engine import Engine


def engine_of(generator: keras.Model) -> Engine:
    """The generator as the command line would load it."""
    return Engine(onnx_of(generator, notes_of("", 7, generator.name)).SerializeToString())


@functools.cache
def untrained_engine(pooled: bool) -> Engine:
    """The classical inverse alone, as the residual generator is before any training."""
    from train.networks.generators import build_residual

    return engine_of(build_residual(8, 1, 0, pooled))
