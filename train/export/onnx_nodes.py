"""The nodes and weights of an ONNX graph while it is written."""

from collections.abc import Collection
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper

SINGLE = TensorProto.FLOAT
HALVED = 3  # side of the filters that lose nothing by half precision, pixels


class Graph:
    """Nodes and weights so far; values are named by number."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}

    def add(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        """Adds a node of one output; returns the output's name."""
        name = f"value_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def weight(self, values: ArrayLike) -> str:
        """Adds a constant array; returns its name."""
        name = f"weight_{len(self.weights)}"
        self.weights[name] = np.ascontiguousarray(values).reshape(np.shape(values))
        return name

    def leading_to(self, outputs: Collection[str]) -> "Graph":
        """The part that some outputs are computed by."""
        part, needed = Graph(), set(outputs)
        for node in reversed(self.nodes):
            if needed & set(node.output):
                part.nodes.insert(0, node)
                needed |= set(node.input)
        part.weights = {name: array for name, array in self.weights.items() if name in needed}
        return part

    def initializers(self) -> list[onnx.TensorProto]:
        """The weights as the file holds them."""
        return [numpy_helper.from_array(array, name) for name, array in self.weights.items()]

    def halved(self) -> "Graph":
        """The same with filters of 3x3 pixels in half precision, made single again when loaded.

        They are nearly all there is. Longer ones invert a blur: what they add up cancels, and what
        rounding adds would not. Those of one pixel weigh the guess of the blur.
        """
        graph = Graph()
        for name, array in self.weights.items():
            if array.ndim == 4 and array.shape[-1] == HALVED:
                graph.nodes.append(helper.make_node("Cast", [f"{name}_half"], [name], to=SINGLE))
                graph.weights[f"{name}_half"] = array.astype(np.float16)
            else:
                graph.weights[name] = array
        graph.nodes += self.nodes
        return graph
