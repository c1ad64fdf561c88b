"""What each kind of layer is in ONNX.

Pictures, of rank 4, are (batch, channels, height, width) in the graph, where Keras has the channels
last; everything else lies as Keras has it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from train import TrainError
from train.export.onnx_nodes import Graph

ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}


class UnknownLayerError(TrainError):
    """The generator holds a layer that has no translation to ONNX yet."""


def _conv(graph: Graph, layer: keras.layers.Conv2D, inputs: list[str]) -> str:
    kernel = layer.kernel.numpy().transpose(3, 2, 0, 1)
    return _convolved(graph, layer, inputs, kernel, layer.groups)


def _convolved(
    graph: Graph, layer: keras.layers.Layer, inputs: list[str], kernel: np.ndarray, groups: int
) -> str:
    reach = [d * (k - 1) for k, d in zip(kernel.shape[2:], layer.dilation_rate, strict=True)]
    padding: dict[str, Any] = {"pads": [0] * 4}
    if layer.padding == "same" and max(layer.strides) > 1:
        padding = {"auto_pad": "SAME_UPPER"}  # depends on the size, as in TensorFlow
    elif layer.padding == "same":
        padding = {"pads": [r // 2 for r in reach] + [r - r // 2 for r in reach]}
    weights = [graph.weight(kernel), *_bias(graph, layer)]
    result = graph.add(
        "Conv",
        inputs + weights,
        kernel_shape=kernel.shape[2:],
        strides=layer.strides,
        dilations=layer.dilation_rate,
        group=groups,
        **padding,
    )
    return _activated(graph, layer, [result])


def _conv_transpose(graph: Graph, layer: keras.layers.Conv2DTranspose, inputs: list[str]) -> str:
    pads = [0, 0]
    if layer.padding == "same":
        pads = [k - s for k, s in zip(layer.kernel_size, layer.strides, strict=True)]
    if min(pads) < 0 or set(layer.dilation_rate) != {1}:
        raise UnknownLayerError(f"{layer.name}: no translation with dilation, or gaps, to ONNX")
    pads = [pad // 2 for pad in pads] + [pad - pad // 2 for pad in pads]
    weights = [graph.weight(layer.kernel.numpy().transpose(3, 2, 0, 1)), *_bias(graph, layer)]
    result = graph.add("ConvTranspose", inputs + weights, strides=layer.strides, pads=pads)
    return _activated(graph, layer, [result])


def _bias(graph: Graph, layer: keras.layers.Layer) -> list[str]:
    return [graph.weight(layer.bias.numpy())] if layer.use_bias else []


def _activated(graph: Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    name = layer.activation.__name__
    if name == "linear":
        return inputs[0]
    if name == "softmax":
        return graph.add("Softmax", inputs, axis=1)
    if name not in ACTIVATIONS:
        raise UnknownLayerError(f"{layer.name}: activation {name} has no ONNX translation")
    return graph.add(ACTIVATIONS[name], inputs)


def _statistics_norm(graph: Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    weights = [graph.weight(layer.gamma.numpy()), graph.weight(layer.beta.numpy())]
    return graph.add("InstanceNormalization", inputs + weights, epsilon=1e-5)


def _over_channels(layer: Any) -> bool:
    return list(np.atleast_1d(layer.axis)) in ([-1], [len(layer.input.shape) - 1])


def _scaled(graph: Graph, layer: keras.layers.Rescaling, inputs: list[str]) -> str:
    """Times a number, plus a number; what a convolution gives is scaled in its weights."""
    last, before = graph.nodes[-1], layer.input._keras_history.operation
    alone = list(last.output) == inputs and len(before._outbound_nodes) == 1
    if alone and last.op_type == "Conv" and not layer.offset:
        for name in last.input[1:]:
            graph.weights[name] = graph.weights[name] * np.float32(layer.scale)
        return inputs[0]
    scale, offset = (graph.weight(np.float32(number)) for number in (layer.scale, layer.offset))
    return graph.add("Add", [graph.add("Mul", [*inputs, scale]), offset])


def _edge_pad(graph: Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    one_side = [0, 0, layer.reach, layer.reach]
    return graph.add("Pad", [*inputs, graph.weight(np.array(one_side * 2, np.int64))], mode="edge")


def _average(graph: Graph, layer: keras.layers.AveragePooling2D, inputs: list[str]) -> str:
    padding = {"same": "SAME_UPPER", "valid": "VALID"}[layer.padding]
    sizes = {"kernel_shape": layer.pool_size, "strides": layer.strides}
    return graph.add("AveragePool", inputs, auto_pad=padding, **sizes)


def _weighted_sum(graph: Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    pictures, radius_probs = inputs
    num_folded = layer.input[0].shape[-1] // layer.number
    chosen = _channels(graph, radius_probs, layer.first, layer.first + layer.number)
    weights = graph.add("Concat", [chosen] * num_folded, axis=1)
    sums = np.repeat(np.eye(num_folded, dtype=np.float32), layer.number, axis=1)
    weighed = graph.add("Mul", [pictures, weights])
    return graph.add("Conv", [weighed, graph.weight(sums[:, :, None, None])])


def _slice(graph: Graph, layer: Any, inputs: list[str]) -> str:
    """Some of the channels, side by side."""
    shape, key = layer.input.shape, layer._inbound_nodes[-1].arguments.args[1]
    *others, chosen = key if isinstance(key, tuple) else (key,)
    of_channels = others == [Ellipsis] and isinstance(chosen, slice) and len(shape) == 4
    if not of_channels or chosen.step not in (None, 1):
        raise UnknownLayerError(f"{layer.name}: only a slice of channels, x[..., a:b], is known")
    first, end, _ = chosen.indices(shape[-1])
    return _channels(graph, inputs[0], first, end)


def _channels(graph: Graph, value: str, first: int, end: int) -> str:
    ends = (graph.weight(np.array([place])) for place in (first, end, 1))
    return graph.add("Slice", [value, *ends])


def _mean(graph: Graph, layer: Any, inputs: list[str]) -> str:
    if not _over_channels(layer) or not layer.keepdims or len(layer.input.shape) != 4:
        raise UnknownLayerError(f"{layer.name}: only a mean over channels, kept, is known to ONNX")
    return graph.add("ReduceMean", inputs, axes=[1], keepdims=1)


def _plain(kind: str, **attributes: Any) -> "Translate":
    """An operation that ONNX has, too."""
    return lambda graph, _layer, inputs: graph.add(kind, inputs, **attributes)


Translate = Callable[[Graph, Any, list[str]], str]
TRANSLATIONS: Mapping[str, Translate] = {
    "Conv2D": _conv,
    "Conv2DTranspose": _conv_transpose,
    "DeepConv2DTranspose": _conv_transpose,
    "StatisticsNorm": _statistics_norm,
    "Activation": _activated,
    "Rescaling": _scaled,
    "ReLU": _plain("Relu"),
    "Relu": _plain("Relu"),
    "LeakyReLU": lambda graph, layer, inputs: graph.add(
        "LeakyRelu", inputs, alpha=float(layer.negative_slope)
    ),
    "Concatenate": _plain("Concat", axis=1),
    "Dropout": lambda _graph, _layer, inputs: inputs[0],  # off, as at inference
    "Trained": lambda _graph, _layer, inputs: inputs[1],
    "SpaceToDepth": lambda graph, layer, inputs: graph.add(
        "SpaceToDepth", inputs, blocksize=layer.block
    ),
    "DepthToSpace": lambda graph, layer, inputs: graph.add(
        "DepthToSpace", inputs, blocksize=layer.block, mode="DCR"
    ),
    "EdgePad": _edge_pad,
    "AveragePooling2D": _average,
    "WeightedSum": _weighted_sum,
    "Add": _plain("Add"),
    "Subtract": _plain("Sub"),
    "Multiply": _plain("Mul"),
    "Divide": _plain("Div"),
    "TrueDivide": _plain("Div"),
    "Log": _plain("Log"),
    "Exp": _plain("Exp"),
    "Sqrt": _plain("Sqrt"),
    "Softmax": _plain("Softmax", axis=1),
    "GetItem": _slice,
    "Mean": _mean,
}
