"""The trained generator in formats of other programs.

The notes of an ONNX file are defined here, for readers without TensorFlow.
"""

import hashlib
from pathlib import Path

from prepare.records.files import write_bytes, write_text
from train.settings import SIZE_MULTIPLES

ONNX_FORMAT = "2"  # of what the file holds: inputs, outputs and notes
ESTIMATOR = "estimator"  # the note that holds the part that estimates blur and noise, base64
RADII_PX = "radii_px"  # the note of the radii whose probabilities it gives, pixels
POOLED = "pooled"  # the note that the radius is estimated from the neighborhood


def notes_of(weights: str, step: int, generator: str) -> dict[str, str]:
    """The notes of an ONNX file; its weights are `Run.weights_hash` from before loading."""
    multiple = str(SIZE_MULTIPLES[generator])
    return {"format": ONNX_FORMAT, "weights": weights, "step": str(step), "multiple": multiple}


def write_onnx_file(path: Path, content: bytes) -> None:
    """Writes an ONNX file, and beside it the hash by which changed bytes are noticed."""
    write_bytes(path, content)
    write_text(*hash_file(path, content))


def read_onnx_file(path: Path) -> bytes | None:
    """The content of an ONNX file; None if it is missing, or not as it was written."""
    if not path.is_file():
        return None
    content = path.read_bytes()
    hash_path, line = hash_file(path, content)
    return content if hash_path.is_file() and hash_path.read_bytes() == line.encode() else None


def hash_file(path: Path, content: bytes) -> tuple[Path, str]:
    """The hash file beside an ONNX file, and its content, for `sha256sum -c`."""
    line = f"{hashlib.sha256(content).hexdigest()}  {path.name}\n"
    return path.with_name(f"{path.name}.sha256"), line
