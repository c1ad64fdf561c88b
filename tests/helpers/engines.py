"""Generators in ONNX Runtime, without a run about them."""

from pathlib import Path

import keras

from train.export.export import onnx_bytes
from train.restore.engine import Engine
from train.restore.onnx_file import notes_of


def engine_of(generator: keras.Model, path: Path) -> Engine:
    """The generator as the command line would load it, written to `path`."""
    path.write_bytes(onnx_bytes(generator, notes_of("", 7, generator.name)))
    return Engine(path)
