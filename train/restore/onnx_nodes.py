"""The nodes and weights of an ONNX graph while it is written."""

from collections.abc import Collection
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import helper, numpy_helper


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
