"""A run that restores without a training: its ONNX file is written by hand, without TensorFlow."""

import base64
from pathlib import Path

import onnx

from train.export import notes_of, write_onnx_file
from train.run import Run

HEAD = '<ir_version: 8, opset_import: ["": 17]> plain (float[1, height, width, 3] blurred) => '
NEGATIVE = "(float[1, height, width, 3] restored) { restored = Neg(blurred) }"
SAME_RADIUS = """(float[1, rows, columns] radius_px, float[1, rows, columns] certainty) {
    planes = Transpose <perm = [0, 3, 1, 2]> (blurred)
    cells = AveragePool <kernel_shape = [4, 4], strides = [4, 4]> (planes)
    gray = ReduceMean <axes = [1], keepdims = 0> (cells)
    zeros = Sub (gray, gray)
    radius = Constant <value_float = %f> ()
    radius_px = Add (zeros, radius)
    one = Constant <value_float = 1.0> ()
    certainty = Add (zeros, one)
}"""


def write_plain_run(run_dir: Path, radius_px: float = 3.0) -> Path:
    """A run whose network makes negatives, and sees a blur of this radius everywhere."""
    model, estimator = map(
        onnx.parser.parse_model, (HEAD + NEGATIVE, HEAD + SAME_RADIUS % radius_px)
    )
    part = base64.b64encode(estimator.SerializeToString()).decode()
    onnx.helper.set_model_props(model, {**notes_of("", 7, "residual"), "radius_model": part})
    write_onnx_file(Run(run_dir).exported, model.SerializeToString())
    return run_dir
