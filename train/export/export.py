"""The trained generator in formats that need none of this project's code, each checked.

Every exported model maps "blurred" to "restored": float32, (1, height, width, 3), RGB, -1..1.
"""

import importlib.util
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from prepare.records.files import named_errors, remove_old_parts, write_bytes
from train import TrainError
from train.networks.blurs import BANKS, RADIUS_LAYER
from train.restore.engine import Engine
from train.run import ONNX_NAME

MOST_DIFFERENCE = 1 / 255  # of the range 0..1: one level
NEEDED = {"savedmodel": (), "onnx": ("onnx", "onnxruntime"), "tflite": ()}
NEEDED |= {"run": NEEDED["onnx"]}

Forward = Callable[[np.ndarray], np.ndarray]  # (1, height, width, 3), -1..1, to the same
Write = Callable[[keras.Model, Path, tuple], Forward]  # of a generator, a folder, a picture's shape


class ExportError(TrainError):
    """A format cannot be written, or does not answer as the original does."""


def export(
    generator: keras.Model,
    out_dir: Path,
    pictures: Sequence[np.ndarray],
    formats: Sequence[str],
    notes: Mapping[str, str] | None = None,
    **others: Write,
) -> dict[str, float]:
    """Writes the generator in each format, loads it again in its own runtime, and compares.

    Args:
        generator: the trained network.
        out_dir: gets `savedmodel/`, `generator.onnx` and `generator.tflite`.
        pictures: blurred test pictures, uint8, (height, width, 3), of one size.
        formats: some of "savedmodel", "onnx", "tflite" and the names of `others`.
        notes: what ONNX says of itself, see `train.restore.onnx_file.notes_of`.
        **others: what writes and loads further formats, by name.

    Returns:
        for each format, its largest difference from the original over all pixels, of 0..1.

    Raises:
        ExportError: before anything is written if a package is missing; after all formats if one
            differs by more than 1/255.
    """
    _check_packages(formats)
    signed = [picture[None].astype(np.float32) / 127.5 - 1 for picture in pictures]
    expected = [generator(picture, training=False).numpy() for picture in signed]
    writers: dict[str, Write] = {
        "savedmodel": write_savedmodel,
        "onnx": partial(write_onnx, notes=notes or {}),
        "tflite": write_tflite,
        **others,
    }
    differences = {}
    for name in formats:
        try:
            with named_errors(out_dir):
                forward = writers[name](generator, out_dir, signed[0].shape)
        except tf.errors.OpError as error:
            reason = error.message.splitlines()[0]
            raise ExportError(f"{name} cannot be written into {out_dir} ({reason})") from error
        pairs = zip(signed, expected, strict=True)
        differences[name] = max(float(np.abs(forward(x) - y).max()) / 2 for x, y in pairs)
        print(f"{name}: largest difference {255 * differences[name]:.4f} of 255 levels")
    wrong = [name for name, difference in differences.items() if not difference <= MOST_DIFFERENCE]
    if wrong:
        raise ExportError(f"{', '.join(wrong)} in {out_dir}: more than 1/255 off; do not use")
    return differences


def sweep(out_dir: Path) -> None:
    """Removes what a killed export left half written; for who holds the lock of its folder."""
    remove_old_parts(out_dir)
    for path in [*out_dir.glob(".savedmodel-*"), *out_dir.glob(".run-*")]:
        shutil.rmtree(path)


def _check_packages(formats: Sequence[str]) -> None:
    needed = [package for name in formats for package in NEEDED[name]]
    missing = [package for package in needed if importlib.util.find_spec(package) is None]
    if missing:
        raise ExportError(
            f"{' and '.join(missing)} missing for ONNX; run `.venv/bin/pip install "
            f'{" ".join(missing)}`, or leave it out with FORMATS="savedmodel tflite"'
        )


def write_savedmodel(generator: keras.Model, out_dir: Path, _shape: tuple) -> Forward:
    """Writes TensorFlow's SavedModel, for any picture size, and loads it again."""
    path = out_dir / "savedmodel"
    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir, prefix=".savedmodel-") as folder:
        part_path = Path(folder) / "savedmodel"
        _save(generator, part_path, (1, None, None, 3))
        shutil.rmtree(path, ignore_errors=True)
        part_path.rename(path)
    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures["serving_default"]
    return lambda blurred: serve(blurred=tf.constant(blurred))["restored"].numpy()


def _save(generator: keras.Model, path: Path, shape: tuple, frozen: bool = False) -> None:
    """Saves the generator's function; `frozen` makes its weights constants of the graph.

    TFLite's converter leaves the weights of layers built by hand as variables, which its runtime
    then finds without a value.
    """
    module = tf.Module()
    module.generator = None if frozen else generator  # so that its weights are kept
    constants = [
        [tf.constant(variable.numpy()) for variable in variables]
        for variables in (generator.trainable_variables, generator.non_trainable_variables)
    ]

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, "blurred")])
    def serve(blurred: tf.Tensor) -> dict[str, tf.Tensor]:
        if frozen:
            return {"restored": generator.stateless_call(*constants, blurred, training=False)[0]}
        return {"restored": generator(blurred, training=False)}

    tf.saved_model.save(module, str(path), signatures={"serving_default": serve})


def write_onnx(
    generator: keras.Model, out_dir: Path, _shape: tuple, notes: Mapping[str, str]
) -> Forward:
    """Writes ONNX, for any picture size, and loads it again in ONNX Runtime."""
    path = out_dir / ONNX_NAME
    write_bytes(path, onnx_bytes(generator, notes))
    return _forward_onnx(path)


def onnx_bytes(generator: keras.Model, notes: Mapping[str, str], half: bool = False) -> bytes:
    """The generator as the content of an ONNX file; see `train.export.onnx_graph.onnx_of`."""
    from train.export.onnx_graph import onnx_of

    return onnx_of(generator, radii_told(generator), notes, half).SerializeToString()


def radii_told(generator: keras.Model) -> tuple[float, ...]:
    """The radii, pixels, that a generator tells the probabilities of; none if it tells none."""
    for layer in generator.layers:
        if layer.name == RADIUS_LAYER:
            number = layer.output.shape[-1]
            return next(bank.radii for bank in BANKS.values() if len(bank.radii) == number)
    return ()


def _forward_onnx(path: Path) -> Forward:
    engine = Engine(path)
    return lambda blurred: blurred + engine.correction(blurred[0])


def write_tflite(generator: keras.Model, out_dir: Path, shape: tuple) -> Forward:
    """Writes TFLite for pictures of one size, which its runtime needs, and loads it again."""
    with tempfile.TemporaryDirectory() as folder:
        _save(generator, Path(folder), shape, frozen=True)
        content = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    path = out_dir / "generator.tflite"
    write_bytes(path, content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the interpreter announces its move to another package
        runner = tf.lite.Interpreter(str(path)).get_signature_runner()
    return lambda blurred: runner(blurred=blurred)["restored"].copy()
