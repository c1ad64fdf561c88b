"""A generator as an ONNX graph, layer by layer.

Written out here because the usual converter works on TensorFlow's graphs and lags behind its
releases; the generators consist of few kinds of layers. Needs the package `onnx`.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper

from train import TrainError

OPSET = 17


class UnknownLayerError(TrainError):
    """The generator holds a layer that has no translation to ONNX yet."""


def onnx_of(generator: keras.Model) -> onnx.ModelProto:
    """The generator as an ONNX model of the same input and output.

    Returns:
        a model from "blurred" to "restored", both float32, (1, height, width, 3), RGB, -1..1.

    Raises:
        UnknownLayerError: if a layer is of a kind that no generator here had before.
    """
    graph = _Graph()
    names = {id(generator.inputs[0]): graph.add("Transpose", ["blurred"], perm=[0, 3, 1, 2])}
    for layer in generator.operations:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        node = layer._inbound_nodes[-1]
        translate = TRANSLATIONS.get(type(layer).__name__)
        if translate is None:
            raise UnknownLayerError(
                f"{layer.name} ({type(layer).__name__}) has no ONNX translation; add one to "
                "train/restore/onnx_graph.py, or export SavedModel and TFLite alone (FORMATS=..)"
            )
        inputs = [names[id(tensor)] for tensor in node.input_tensors]
        names[id(node.outputs[0])] = translate(graph, layer, inputs)
    last = names[id(generator.outputs[0])]
    graph.nodes.append(helper.make_node("Transpose", [last], ["restored"], perm=[0, 2, 3, 1]))
    shape: list[str | int | None] = [1, "height", "width", 3]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name in ("blurred", "restored")
    ]
    model = helper.make_model(
        helper.make_graph(graph.nodes, generator.name, ends[:1], ends[1:], graph.weights),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
        producer_name="pix2pix-deblurrer",
    )
    onnx.checker.check_model(model)
    return model


class _Graph:
    """Nodes and weights so far; values are named by number."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        """Adds a node of one output; returns the output's name."""
        name = f"value_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def weight(self, values: ArrayLike) -> str:
        """Adds a constant array; returns its name."""
        array = np.ascontiguousarray(values)
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name


def _conv(graph: _Graph, layer: keras.layers.Conv2D, inputs: list[str]) -> str:
    (kernel,), (stride,), (dilation,) = map(
        set, (layer.kernel_size, layer.strides, layer.dilation_rate)
    )
    pad = 0
    if layer.padding == "same":
        # As TensorFlow pads sides that the stride divides, and only those.
        pad = dilation * (kernel - 1) + 1 - stride
    pads = [pad // 2] * 2 + [pad - pad // 2] * 2
    weights = [graph.weight(layer.kernel.numpy().transpose(3, 2, 0, 1))]
    weights += [graph.weight(layer.bias.numpy())] if layer.use_bias else []
    result = graph.add(
        "Conv", inputs + weights, strides=[stride] * 2, dilations=[dilation] * 2, pads=pads
    )
    return _activated(graph, layer, [result])


def _conv_transpose(graph: _Graph, layer: keras.layers.Conv2DTranspose, inputs: list[str]) -> str:
    (kernel,), (stride,) = map(set, (layer.kernel_size, layer.strides))
    pad = kernel - stride
    pads = [pad // 2] * 2 + [pad - pad // 2] * 2
    weights = [graph.weight(layer.kernel.numpy().transpose(3, 2, 0, 1))]
    weights += [graph.weight(layer.bias.numpy())] if layer.use_bias else []
    result = graph.add("ConvTranspose", inputs + weights, strides=[stride] * 2, pads=pads)
    return _activated(graph, layer, [result])


def _activated(graph: _Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    name = layer.activation.__name__
    if name == "linear":
        return inputs[0]
    kinds = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}
    if name not in kinds:
        raise UnknownLayerError(f"{layer.name}: activation {name} has no ONNX translation")
    return graph.add(kinds[name], inputs)


def _norm(graph: _Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    weights = [graph.weight(layer.gamma.numpy()), graph.weight(layer.beta.numpy())]
    return graph.add("InstanceNormalization", inputs + weights, epsilon=1e-5)


def _scaled(graph: _Graph, layer: keras.layers.Rescaling, inputs: list[str]) -> str:
    scale, offset = (graph.weight(np.float32(number)) for number in (layer.scale, layer.offset))
    return graph.add("Add", [graph.add("Mul", [*inputs, scale]), offset])


def _edge_pad(graph: _Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    one_side = [0, 0, layer.reach, layer.reach]
    return graph.add("Pad", [*inputs, graph.weight(np.array(one_side * 2, np.int64))], mode="edge")


def _average(graph: _Graph, layer: keras.layers.AveragePooling2D, inputs: list[str]) -> str:
    padding = {"same": "SAME_UPPER", "valid": "VALID"}[layer.padding]
    sizes = {"kernel_shape": layer.pool_size, "strides": layer.strides}
    return graph.add("AveragePool", inputs, auto_pad=padding, **sizes)


def _weighted_sum(graph: _Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    pictures, radius_probs = inputs
    num_folded = layer.input[0].shape[-1] // layer.number
    ends = [[layer.first], [layer.first + layer.number], [1]]  # of the channels
    chosen = graph.add("Slice", [radius_probs, *(graph.weight(np.array(end)) for end in ends)])
    weights = graph.add("Concat", [chosen] * num_folded, axis=1)
    sums = np.repeat(np.eye(num_folded, dtype=np.float32), layer.number, axis=1)
    weighed = graph.add("Mul", [pictures, weights])
    return graph.add("Conv", [weighed, graph.weight(sums[:, :, None, None])])


Translate = Callable[[_Graph, keras.layers.Layer, list[str]], str]
TRANSLATIONS: dict[str, Translate] = {
    "Conv2D": _conv,
    "Conv2DTranspose": _conv_transpose,
    "DeepConv2DTranspose": _conv_transpose,
    "StatisticsNorm": _norm,
    "Activation": _activated,
    "Rescaling": _scaled,
    "ReLU": lambda graph, _layer, inputs: graph.add("Relu", inputs),
    "LeakyReLU": lambda graph, layer, inputs: graph.add(
        "LeakyRelu", inputs, alpha=float(layer.negative_slope)
    ),
    "Add": lambda graph, _layer, inputs: graph.add("Add", inputs),
    "Concatenate": lambda graph, _layer, inputs: graph.add("Concat", inputs, axis=1),
    "Dropout": lambda _graph, _layer, inputs: inputs[0],  # off, as at inference
    "SpaceToDepth": lambda graph, layer, inputs: graph.add(
        "SpaceToDepth", inputs, blocksize=layer.block
    ),
    "DepthToSpace": lambda graph, layer, inputs: graph.add(
        "DepthToSpace", inputs, blocksize=layer.block, mode="DCR"
    ),
    "EdgePad": _edge_pad,
    "AveragePooling2D": _average,
    "WeightedSum": _weighted_sum,
    "Multiply": lambda graph, _layer, inputs: graph.add("Mul", inputs),
    "Log": lambda graph, _layer, inputs: graph.add("Log", inputs),
    "Softmax": lambda graph, _layer, inputs: graph.add("Softmax", inputs, axis=1),
}
