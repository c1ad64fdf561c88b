"""A generator in ONNX Runtime, which restores without TensorFlow."""

import base64
import os

import numpy as np
import onnxruntime
import onnxruntime.capi.onnxruntime_pybind11_state as ort

from train.export import POOLED, RADIUS_MODEL

CELL_PX = 4  # side of the places that a radius is estimated for


class Engine:
    """A generator, loaded.

    Attributes:
        notes: what the file says of itself, see `train.export.notes_of`.
    """

    def __init__(self, model: bytes) -> None:
        """Loads the content of an ONNX file."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_cores()
        options.log_severity_level = 4  # what it says is also in its exceptions
        providers = ["CPUExecutionProvider"]
        self._restorer = onnxruntime.InferenceSession(model, options, providers=providers)
        self.notes: dict[str, str] = dict(self._restorer.get_modelmeta().custom_metadata_map)
        # The runtime computes all outputs whichever are asked for, so what estimates the radius
        # alone is a model of its own.
        part = base64.b64decode(self.notes.pop(RADIUS_MODEL, ""))
        self._estimator = (
            onnxruntime.InferenceSession(part, options, providers=providers) if part else None
        )

    @property
    def estimates_radius(self) -> bool:
        """Whether it has `radius`, too."""
        return self._estimator is not None

    @property
    def uses_pooling(self) -> bool:
        """Whether its radii are told by all around a place, and so need no guard."""
        return POOLED in self.notes

    def correction(self, blurred_signed: np.ndarray) -> np.ndarray:
        """What restoring adds to a picture.

        Args:
            blurred_signed: float32, (height, width, 3), RGB, -1..1; sides as the network needs.

        Returns:
            float32, the same shape, in the same units; 0 where nothing is to be changed.
        """
        restored = run(self._restorer, ["restored"], blurred_signed)[0][0]
        return np.subtract(restored, blurred_signed, out=restored)

    def radius(self, blurred_signed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The radius of the blur at each cell, pixels, and how certain that is, 0..1.

        Args:
            blurred_signed: float32, (height, width, 3), RGB, -1..1; sides divisible by 4.

        Returns:
            float32, (height / 4, width / 4), both.
        """
        assert self._estimator, "estimates no radius"
        radius_px, certainty = run(self._estimator, ["radius_px", "certainty"], blurred_signed)
        return radius_px[0], certainty[0]


def run(
    session: onnxruntime.InferenceSession, names: list[str], blurred_signed: np.ndarray
) -> list[np.ndarray]:
    """Outputs of a session; where memory is full, the error is Python's own."""
    try:
        return session.run(names, {"blurred": blurred_signed[None]})
    except (ort.Fail, ort.RuntimeException) as error:
        if "alloc" in str(error):  # "Failed to allocate memory", "std::bad_alloc"
            raise MemoryError from error
        raise


def num_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def to_signed(picture: np.ndarray) -> np.ndarray:
    """-1..1, float32, of uint8 or uint16."""
    return picture.astype(np.float32) / np.float32(np.iinfo(picture.dtype).max / 2) - 1
