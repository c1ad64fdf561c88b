"""A generator in ONNX Runtime, which restores without TensorFlow."""

import base64
import os
from pathlib import Path

import numpy as np
import onnxruntime

RADIUS_MODEL = "radius_model"  # the note that holds the part that tells the radius, base64
POOLED = "pooled"  # the note that each place is told by all around it, see `Bank.pooled`
CELL_PX = 4  # side of the places that a radius is told for


class Engine:
    """A generator, loaded.

    Attributes:
        notes: what the file says of itself, see `train.restore.onnx_file`.
    """

    def __init__(self, model: Path | bytes) -> None:
        """Loads a file, or its content; raises what ONNX Runtime does if it is none."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_cores()
        options.log_severity_level = 4  # what it says is also in its exceptions
        self._restorer = self._loaded(model if isinstance(model, bytes) else str(model), options)
        self.notes: dict[str, str] = dict(self._restorer.get_modelmeta().custom_metadata_map)
        # The runtime computes all outputs whichever are asked for, so what tells the radius alone
        # is a model of its own.
        part = base64.b64decode(self.notes.pop(RADIUS_MODEL, ""))
        self._teller = self._loaded(part, options) if part else None

    @staticmethod
    def _loaded(
        model: str | bytes, options: onnxruntime.SessionOptions
    ) -> onnxruntime.InferenceSession:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    @property
    def tells_radius(self) -> bool:
        """Whether it has `radius`, too."""
        return self._teller is not None

    @property
    def weighs_surroundings(self) -> bool:
        """Whether its network is given radii told by all around a place, and so needs no guard."""
        return POOLED in self.notes

    def correction(self, blurred_signed: np.ndarray) -> np.ndarray:
        """What restoring adds to a picture.

        Args:
            blurred_signed: float32, (height, width, 3), RGB, -1..1; sides as the network needs.

        Returns:
            float32, the same shape, in the same units; 0 where nothing is to be changed.
        """
        restored = self._restorer.run(["restored"], {"blurred": blurred_signed[None]})[0][0]
        return np.subtract(restored, blurred_signed, out=restored)

    def radius(self, blurred_signed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The radius of the blur at each cell, pixels, and how certain that is, 0..1.

        Args:
            blurred_signed: float32, (height, width, 3), RGB, -1..1; sides divisible by 4.

        Returns:
            float32, (height / 4, width / 4), both.
        """
        assert self._teller, "tells no radius"
        inputs = {"blurred": blurred_signed[None]}
        radius_px, certainty = self._teller.run(["radius_px", "certainty"], inputs)
        return radius_px[0], certainty[0]


def num_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def to_signed(picture: np.ndarray) -> np.ndarray:
    """-1..1, float32, of uint8 or uint16."""
    return picture.astype(np.float32) / np.float32(np.iinfo(picture.dtype).max / 2) - 1
