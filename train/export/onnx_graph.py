"""A generator as an ONNX graph, layer by layer.

Written out here because the usual converter works on TensorFlow's graphs and lags behind its
releases; the generators consist of few kinds of layers. Needs the package `onnx`.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import onnx
from onnx import TensorProto, helper

from train.export.onnx_layers import TRANSLATIONS, UnknownLayerError
from train.export.onnx_nodes import Graph
from train.networks.blurs import RADIUS_LAYER
from train.restore.engine import POOLED, RADIUS_MODEL

OPSET = 17


def onnx_of(
    generator: keras.Model,
    radii_px: Sequence[float] = (),
    notes: Mapping[str, str] | None = None,
    half: bool = False,
) -> onnx.ModelProto:
    """The generator as an ONNX model of the same input and output.

    Args:
        generator: the trained network.
        radii_px: those whose probabilities the generator tells, in order; none if it tells none.
        notes: what the file says of itself, as metadata.
        half: stores weights in half precision; what is computed stays in single.

    Returns:
        a model from "blurred" to "restored", both float32, (1, height, width, 3), RGB, -1..1. With
        radii, also to "radius_px", the expected radius at each cell of 4x4 pixels, and
        "certainty", 0..1, both float32, (1, height / 4, width / 4); and what computes these two
        alone is a model of its own, in its notes.

    Raises:
        UnknownLayerError: if a layer is of a kind that no generator here had before.
    """
    graph = Graph()
    names = {id(generator.inputs[0]): graph.add("Transpose", ["blurred"], perm=[0, 3, 1, 2])}
    for layer in generator.operations:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        translate = TRANSLATIONS.get(type(layer).__name__)
        if translate is None:
            raise UnknownLayerError(
                f"{layer.name} ({type(layer).__name__}) has no ONNX translation; add one to "
                "train/export/onnx_layers.py, or export SavedModel and TFLite alone (FORMATS=..)"
            )
        node = layer._inbound_nodes[-1]
        names[id(node.outputs[0])] = translate(graph, layer, _inputs(graph, node, names))
    last = names[id(generator.outputs[0])]
    graph.nodes.append(helper.make_node("Transpose", [last], ["restored"], perm=[0, 2, 3, 1]))
    outputs: dict[str, tuple] = {"restored": (1, "height", "width", generator.outputs[0].shape[-1])}
    teller = generator.get_layer(RADIUS_LAYER) if radii_px else None
    if teller:
        _add_radius(graph, names[id(teller.output)], radii_px)
        outputs |= dict.fromkeys(("radius_px", "certainty"), (1, "rows", "columns"))
    graph, notes = graph.leading_to(outputs), dict(notes or {})
    graph = graph.halved() if half else graph
    if teller:
        told = {name: outputs[name] for name in ("radius_px", "certainty")}
        part = _model(graph.leading_to(told), generator, told, {})
        if isinstance(teller, keras.layers.Concatenate):  # a Softmax tells each place by itself
            notes[POOLED] = "1"
        notes[RADIUS_MODEL] = base64.b64encode(part.SerializeToString()).decode()
    return _model(graph, generator, outputs, notes)


def _inputs(graph: Graph, node: Any, names: Mapping[int, str]) -> list[str]:
    """Names of what an operation takes, in its order; numbers among it become constants."""
    found = []
    for argument in node.arguments.args:
        for each in argument if isinstance(argument, list | tuple) else [argument]:
            if isinstance(each, keras.KerasTensor):
                found.append(names[id(each)])
            elif isinstance(each, int | float):
                found.append(graph.weight(np.float32(each)))
    return found


def _add_radius(graph: Graph, probs: str, radii_px: Sequence[float]) -> None:
    """Mean of the radius at each place, and 1 less its deviation as a share of 1 + the mean."""
    radii = np.array(radii_px, np.float32)[None, :, None, None]
    mean, square = (graph.add("Conv", [probs, graph.weight(power)]) for power in (radii, radii**2))
    variance = graph.add("Sub", [square, graph.add("Mul", [mean, mean])])
    deviation = graph.add("Sqrt", [graph.add("Relu", [variance])])
    one, channels = graph.weight(np.float32(1)), graph.weight(np.array([1]))
    share = graph.add("Div", [deviation, graph.add("Add", [mean, one])])
    certainty = graph.add("Relu", [graph.add("Sub", [one, share])])
    graph.nodes.append(helper.make_node("Squeeze", [mean, channels], ["radius_px"]))
    graph.nodes.append(helper.make_node("Squeeze", [certainty, channels], ["certainty"]))


def _model(
    graph: Graph, generator: keras.Model, outputs: Mapping[str, tuple], notes: Mapping[str, str]
) -> onnx.ModelProto:
    channels = generator.inputs[0].shape[-1]
    shapes = {"blurred": (1, "height", "width", channels), **outputs}
    ends = [
        helper.make_tensor_value_info(end, TensorProto.FLOAT, shape)
        for end, shape in shapes.items()
    ]
    model = helper.make_model(
        helper.make_graph(graph.nodes, generator.name, ends[:1], ends[1:], graph.initializers()),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
        producer_name="pix2pix-deblurrer",
    )
    helper.set_model_props(model, dict(notes))
    onnx.checker.check_model(model)
    return model
