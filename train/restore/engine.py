"""A run's generator in ONNX Runtime, which restores without TensorFlow.

The run's ONNX file is written when it is first needed, and again when the weights are newer. It
stores the hash of its weights, since file times change with copies and clones. If the run's folder
cannot be written, the model stays in memory.
"""

import base64
import importlib.util
from pathlib import Path

import numpy as np

from prepare.records.files import FolderInUseError, only_writer, sha256_of
from train import TrainError
from train.devices import load_tensorflow
from train.export import (
    ESTIMATOR,
    ONNX_FORMAT,
    POOLED,
    RADII_PX,
    notes_of,
    read_onnx_file,
    write_onnx_file,
)
from train.restore.session import HALF_A_LEVEL, SAME_ESTIMATE, Accelerator, Session
from train.run import Run, index_of

USUAL_CRISPNESS = 0.3  # of a network that gains by it on real pairs; more is crisper to the eye
CELL_PX = 4  # side of the places that a radius is estimated for


class Engine:
    """A generator, loaded.

    Attributes:
        notes: what the file says of itself, see `train.export.notes_of`.
        radii_px: the radii whose probabilities it estimates, the first 0; none if it does not.
        uses_pooling: whether radii are estimated from the neighborhood, and so need no guard.
        crispness: how much fine detail is raised after it, 0..1; see `train.restore.crisp`.
    """

    def __init__(self, model: bytes, device: str = "cpu", detail: float | None = None) -> None:
        """Loads the content of an ONNX file, for an accelerator too unless the device is "cpu"."""
        accelerator = Accelerator(device)
        self._restorer = Session(model, accelerator, HALF_A_LEVEL)
        self.notes = self._restorer.notes
        # The runtime computes all outputs whichever are asked for, so what estimates the blur
        # alone is a model of its own.
        part = base64.b64decode(self.notes.pop(ESTIMATOR, ""))
        self._estimator = Session(part, accelerator, SAME_ESTIMATE) if part else None
        self.radii_px = np.array(self.notes.get(RADII_PX, "").split(), np.float32)
        self.uses_pooling = POOLED in self.notes
        usual = USUAL_CRISPNESS if self.uses_pooling else 0
        self.crispness = usual if detail is None else detail

    def correction(
        self, blurred_signed: np.ndarray, radius_probs: np.ndarray | None = None
    ) -> np.ndarray:
        """The change that restores a picture, 0 where nothing is changed.

        Takes and gives float32, (height, width, 3), RGB, -1..1; sides as the network needs. With
        probabilities, as of `estimate`, these stand in the place of the network's own.
        """
        inputs = {"blurred": blurred_signed[None]}
        if radius_probs is not None:
            channels_first = radius_probs.transpose(2, 0, 1)[None]
            inputs["radius_probs"] = channels_first.astype(np.float32)
        (restored,) = self._restorer.outputs(inputs)
        return np.subtract(restored, blurred_signed, out=restored)

    def estimate(self, blurred_signed: np.ndarray) -> tuple[np.ndarray, float]:
        """The blur of each cell of 4x4 pixels, and the noise.

        Takes float32, (height, width, 3), RGB, -1..1, sides divisible by 4.

        Returns:
            the probability of each of `radii_px`, of sum 1, float32, (height / 4, width / 4,
            radii); and sigma of the white noise in the luma, levels of 255.
        """
        assert self._estimator, "estimates no blur"
        probs, energy = self._estimator.outputs({"blurred": blurred_signed[None]})
        return probs.transpose(1, 2, 0), 127.5 * float(np.sqrt(energy.item()))


def open_engine(run: Run, detail: float | None = None, device: str = "cpu") -> Engine:
    """A run's generator, from its ONNX file, which is written if it is missing or older.

    Args:
        detail: of a run with the adversarial term, how much of what that did to the weights is
            kept, 0..1 (network interpolation, Wang et al., ESRGAN, Sec. 3.4), all if None; each has
            a file of its own. Of other runs, how much fine detail is raised.
        device: anything but "cpu" lets an accelerator compute, where there is one that agrees.

    Raises:
        TrainError: if the run has none, or what it takes to write the file is not installed; see
            also `train.checkpoints.load_generator`.
    """
    if engine := written_engine(run, detail, device):
        return engine
    path, weights, share = file_and_weights(run, detail)
    if not weights:
        raise TrainError(
            f"{path} was changed (see {path.name}.sha256 beside it); copy both again"
            if path.is_file()
            else run.why_no_checkpoint
        )
    if importlib.util.find_spec("tensorflow") is None:
        raise TrainError(
            f"{path} is missing, damaged or older than its weights, and TensorFlow, which writes "
            "it, is not installed; run `make setup`, then the same command again"
        )
    print(f"{run.name}: exporting its new weights to {path}")
    load_tensorflow()
    from train.checkpoints import load_generator
    from train.export.onnx import onnx_of

    generator, step, record = load_generator(run.path)
    if share < 1:
        pixel_generator = load_generator(run.path, pixel=True)[0]
        both = zip(pixel_generator.get_weights(), generator.get_weights(), strict=True)
        generator.set_weights([(1 - share) * pixel + share * own for pixel, own in both])
    notes = notes_of(weights, step, record.settings.generator)
    content = onnx_of(generator, notes).SerializeToString()
    try:
        with only_writer(path.parent, "make deblur"):
            write_onnx_file(path, content)
    except (OSError, FolderInUseError) as error:  # readers wait for nobody
        print(f"{path} cannot be written ({error}); the next call will export again")
    return Engine(content, device, 0 if run.pixel else detail)


def written_engine(run: Run, detail: float | None = None, device: str = "cpu") -> Engine | None:
    """As `open_engine`, if the ONNX file is there and no older than its weights; else None."""
    path, weights, _ = file_and_weights(run, detail)
    content = read_onnx_file(path)
    if content is None:
        return None
    engine = Engine(content, device, 0 if run.pixel else detail)
    fits = engine.notes["format"] == ONNX_FORMAT and weights in ("", engine.notes["weights"])
    return engine if fits else None


def file_and_weights(run: Run, detail: float | None) -> tuple[Path, str, float]:
    """Where the ONNX file is, the note of its weights, and the share of the newer ones.

    The note is empty if the file alone was copied.
    """
    path, weights, pixel = run.exported, run.weights_hash, run.pixel
    if detail in (None, 1) or not pixel:
        return path, weights, 1.0
    path = path.with_stem(f"{path.stem}-detail{100 * detail:g}")
    return path, f"{weights} {sha256_of(index_of(pixel))}", detail


def to_signed(picture: np.ndarray) -> np.ndarray:
    """-1..1, float32, of uint8 or uint16."""
    return picture.astype(np.float32) / np.float32(np.iinfo(picture.dtype).max / 2) - 1
