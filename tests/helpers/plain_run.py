"""A run that restores without a training: its ONNX file is written by hand, without TensorFlow."""

import base64
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from train.export import notes_of, write_onnx_file
from train.run import Run

FLOAT = TensorProto.FLOAT
CELLS = {"kernel_shape": [4, 4], "strides": [4, 4]}


def write_plain_run(run_dir: Path, radius_px: float = 3.0) -> Path:
    """A run whose network makes negatives, and sees a blur of this radius everywhere."""
    picture = helper.make_tensor_value_info("blurred", FLOAT, [1, "height", "width", 3])
    negative = helper.make_node("Neg", ["blurred"], ["restored"])
    restored = helper.make_tensor_value_info("restored", FLOAT, [1, "height", "width", 3])
    teller = _model(
        [
            helper.make_node("Transpose", ["blurred"], ["planes"], perm=[0, 3, 1, 2]),
            helper.make_node("AveragePool", ["planes"], ["cells"], **CELLS),
            helper.make_node("ReduceMean", ["cells"], ["gray"], axes=[1], keepdims=0),
            helper.make_node("Sub", ["gray", "gray"], ["zeros"]),
            helper.make_node("Add", ["zeros", "radius"], ["radius_px"]),
            helper.make_node("Add", ["zeros", "one"], ["certainty"]),
        ],
        [picture],
        [
            helper.make_tensor_value_info(name, FLOAT, [1, "rows", "columns"])
            for name in ("radius_px", "certainty")
        ],
        radius=radius_px,
        one=1.0,
    )
    model = _model([negative], [picture], [restored])
    notes = notes_of("", 7, "residual")
    notes["radius_model"] = base64.b64encode(teller.SerializeToString()).decode()
    helper.set_model_props(model, notes)
    write_onnx_file(Run(run_dir).exported, model.SerializeToString())
    return run_dir


def _model(nodes: list, inputs: list, outputs: list, **constants: float) -> onnx.ModelProto:
    values = [helper.make_tensor(name, FLOAT, [], [value]) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "plain", inputs, outputs, values)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
