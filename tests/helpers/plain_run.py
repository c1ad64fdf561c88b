"""A run that restores without a training: its ONNX file is written by hand, without TensorFlow."""

import base64
from pathlib import Path

import numpy as np
import onnx

from train.export import notes_of, write_onnx_file
from train.run import Run

HEAD = '<ir_version: 8, opset_import: ["": 17]> plain (float[1, height, width, 3] blurred) => '
NEGATIVE = "(float[1, height, width, 3] restored) { restored = Neg(blurred) }"
ONE_RADIUS = """(float[1, 2, rows, columns] estimated_radius_probs,
        float[1, 1, 1, 1] estimated_noise_energy) {
    planes = Transpose <perm = [0, 3, 1, 2]> (blurred)
    cells = AveragePool <kernel_shape = [4, 4], strides = [4, 4]> (planes)
    gray = ReduceMean <axes = [1], keepdims = 1> (cells)
    zeros = Sub (gray, gray)
    one = Constant <value_float = 1.0> ()
    ones = Add (zeros, one)
    estimated_noise_energy = ReduceMean <axes = [2, 3]> (zeros)
    estimated_radius_probs = Concat <axis = 1> (zeros, ones)
}"""


def write_plain_run(run_dir: Path, radius_px: float = 3.0) -> Path:
    """A run whose network makes negatives, and sees a blur of this radius everywhere."""
    model, estimator = map(onnx.parser.parse_model, (HEAD + NEGATIVE, HEAD + ONE_RADIUS))
    given = onnx.helper.make_tensor_value_info("radius_probs", 1, (1, 2, "rows", "columns"))
    model.graph.input.append(given)
    zeros = np.zeros((1, 2, 1, 1), np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(zeros, "radius_probs"))
    part = base64.b64encode(estimator.SerializeToString()).decode()
    notes = {**notes_of("", 7, "residual"), "estimator": part, "radii_px": f"0 {radius_px}"}
    onnx.helper.set_model_props(model, notes)
    write_onnx_file(Run(run_dir).exported, model.SerializeToString())
    return run_dir
