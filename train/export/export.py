"""Writes and checks the trained generator in formats that need none of this project's code.

Every exported model maps "blurred" to "restored": float32, (1, height, width, 3), RGB, -1..1.
"""

import contextlib
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import tensorflow as tf

from prepare.records.files import named_errors, write_bytes
from train import TrainError
from train.checkpoints import reason_of, save_generator
from train.export import write_onnx_file
from train.export.onnx import onnx_of
from train.run import ONNX_NAME, Run

MOST_DIFFERENCE = 1 / 255  # of the range 0..1: one level
RECORDS = ("settings.json", "log.csv")  # of a run that is handed on

Forward = Callable[[np.ndarray], np.ndarray]  # (1, height, width, 3), -1..1, to the same


def export(
    generator: keras.Model,
    out_dir: Path,
    pictures: Sequence[np.ndarray],
    formats: Sequence[str],
    notes: Mapping[str, str],
    run: Run,
) -> dict[str, float]:
    """Writes the generator in each format, loads it again in its own runtime, and compares.

    Args:
        out_dir: gets `savedmodel/`, `generator.onnx`, `generator.tflite` and `run/`.
        pictures: blurred test pictures, uint8, (height, width, 3), of one size.
        formats: some of "savedmodel", "onnx", "tflite" and "run".
        notes: of the ONNX file, see `train.export.notes_of`.
        run: that the generator is of; "run" has its records.

    Returns:
        for each format, its largest difference from the original over all pixels, of 0..1.

    Raises:
        TrainError: if a format cannot be written; after all, if one differs by more than 1/255.
    """
    signed = [picture[None].astype(np.float32) / 127.5 - 1 for picture in pictures]
    expected = [generator(picture, training=False).numpy() for picture in signed]
    writers: dict[str, Callable[[], Forward]] = {
        "savedmodel": lambda: write_savedmodel(generator, out_dir / "savedmodel"),
        "onnx": lambda: write_onnx(generator, out_dir / ONNX_NAME, notes),
        "tflite": lambda: write_tflite(generator, out_dir / "generator.tflite", signed[0].shape),
        "run": lambda: write_small_run(generator, out_dir / "run", notes, run),
    }
    differences = {}
    for name in formats:
        try:
            with named_errors(out_dir):
                forward = writers[name]()
        except tf.errors.OpError as error:
            why = f"{reason_of(error)}; mend that, or name other FORMATS"
            raise TrainError(f"{name} cannot be written into {out_dir} ({why})") from error
        pairs = zip(signed, expected, strict=True)
        differences[name] = max(float(np.abs(forward(x) - y).max()) / 2 for x, y in pairs)
        print(f"{name}: largest difference {255 * differences[name]:.4f} of 255 levels")
    wrong = [name for name, difference in differences.items() if not difference <= MOST_DIFFERENCE]
    if wrong:
        raise TrainError(f"{', '.join(wrong)} in {out_dir}: more than 1/255 off; do not use")
    return differences


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which replaces `path` when it is complete."""
    part = path.with_name(f".{path.name}.part")
    with contextlib.suppress(OSError):
        part.unlink()  # a file that stands in its place
    shutil.rmtree(part, ignore_errors=True)  # of an export that was killed
    part.mkdir(parents=True)
    try:
        yield part
        shutil.rmtree(path, ignore_errors=True)
        part.rename(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_savedmodel(generator: keras.Model, path: Path) -> Forward:
    """Writes TensorFlow's SavedModel, for any picture size, and loads it again."""
    with whole_folder(path) as part:
        save_function(generator, part, (1, None, None, 3))
    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures["serving_default"]
    return lambda blurred: serve(blurred=tf.constant(blurred))["restored"].numpy()


def save_function(generator: keras.Model, path: Path, shape: tuple, frozen: bool = False) -> None:
    """Saves the generator's function; `frozen` makes its weights constants, as TFLite needs."""
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
    generator: keras.Model, path: Path, notes: Mapping[str, str], half: bool = False
) -> Forward:
    """Writes ONNX, for any picture size, and loads it again in ONNX Runtime."""
    write_onnx_file(path, onnx_of(generator, notes, half).SerializeToString())
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # it warns of inputs that may be left out
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda blurred: session.run(["restored"], {"blurred": blurred})[0]


def write_tflite(generator: keras.Model, path: Path, shape: tuple) -> Forward:
    """Writes TFLite for pictures of one size, which its runtime needs, and loads it again."""
    with tempfile.TemporaryDirectory() as folder:
        save_function(generator, Path(folder), shape, frozen=True)
        content = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    write_bytes(path, content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the interpreter announces its move to another package
        runner = tf.lite.Interpreter(str(path)).get_signature_runner()
    return lambda blurred: runner(blurred=blurred)["restored"].copy()


def write_small_run(
    generator: keras.Model, path: Path, notes: Mapping[str, str], run: Run
) -> Forward:
    """Writes a run that is small enough to be handed on, and loads its network again.

    It has the checkpoint that other runs start from, and the ONNX file in half precision. The same
    weights give the same files.
    """
    with whole_folder(path) as part:
        small = Run(part)
        small.best_dir.mkdir(parents=True)
        for name in RECORDS:
            shutil.copyfile(run.path / name, part / name)
        save_generator(generator, small.best_dir, int(notes["step"]))
        (small.best_dir / "checkpoint").unlink()  # holds only times beside the file names
        own_notes = {**notes, "weights": small.weights_hash}
        return write_onnx(generator, small.exported, own_notes, half=True)
