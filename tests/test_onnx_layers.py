"""Each kind of layer answers in ONNX Runtime as it does in Keras."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest
from keras import layers, ops

from train.export.export import radii_told
from train.export.onnx_graph import onnx_of
from train.export.onnx_layers import UnknownLayerError
from train.networks.pooling import pooled_probs

Make = Callable[[keras.KerasTensor], keras.KerasTensor]
LAYERS: dict[str, Make] = {
    "even kernel": lambda x: layers.Conv2D(6, (4, 3), padding="same")(x),
    "strided": lambda x: layers.Conv2D(6, 3, 2, padding="same", activation="relu")(x),
    "strided, valid": lambda x: layers.Conv2D(6, 5, 2)(x),
    "dilated": lambda x: layers.Conv2D(6, 3, padding="same", dilation_rate=2)(x),
    "grouped": lambda x: layers.Conv2D(8, 3, padding="same", groups=4)(x),
    "transposed": lambda x: layers.Conv2DTranspose(6, 4, 2, "same")(x),
    "transposed, valid": lambda x: layers.Conv2DTranspose(6, 3, 2)(x),
    "average": lambda x: layers.AveragePooling2D(2, padding="same")(x),
    "numbers": lambda x: (2.0 - x) * 0.5 / 3 + 1,
    "log": lambda x: ops.log(ops.exp(x) + 1.0),
    "softmax": lambda x: layers.Softmax()(layers.Activation("tanh")(x)),
    "some channels": lambda x: ops.mean(x[..., 2:5], -1, keepdims=True) * x[..., -2:-1],
    "told by all around": lambda x: pooled_probs(x, x),
    "scaled once": lambda x: layers.Rescaling(0.2)(layers.Conv2D(4, 3)(x)),
    "scaled and as it is": lambda x: scaled_beside(layers.Conv2D(8, 3, padding="same")(x)),
}


def scaled_beside(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.Rescaling(0.2)(x) + layers.ReLU()(x)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("size", [(16, 24), (15, 21), (40, 70)])
def test_answers_as_keras_does(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    inputs = keras.Input((None, None, 8))
    network = keras.Model(inputs, LAYERS[name](inputs))
    rng = np.random.default_rng(0)
    network.set_weights([rng.normal(0, 0.5, w.shape) for w in network.get_weights()])
    x = rng.normal(0, 1, (1, *size, 8)).astype(np.float32)
    model = onnx_of(network).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {"blurred": x})
    expected = network(x).numpy()
    assert answer.shape == expected.shape
    np.testing.assert_allclose(answer, expected, atol=1e-4)


def test_an_unknown_layer_is_named() -> None:
    inputs = keras.Input((None, None, 3))
    network = keras.Model(inputs, layers.ELU()(inputs))
    with pytest.raises(UnknownLayerError, match=r"elu.* \(ELU\) has no ONNX translation"):
        onnx_of(network)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x[:, 1:],
        lambda x: x[..., ::2],
        lambda x: x + ops.mean(x, 1, keepdims=True),
        lambda x: ops.mean(x, -1),
    ],
)
def test_slices_and_means_of_other_axes_are_refused(make: Make) -> None:
    inputs = keras.Input((8, 8, 6))
    with pytest.raises(UnknownLayerError, match=r"only a (slice of channels|mean)"):
        onnx_of(keras.Model(inputs, make(inputs)))


def test_radius_and_certainty_are_mean_and_spread() -> None:
    inputs = keras.Input((None, None, 3))
    probs = layers.Softmax(name="radius_probs")(layers.AveragePooling2D(4)(inputs))
    result = layers.Conv2DTranspose(3, 4, 4)(probs) + inputs
    model = onnx_of(keras.Model(inputs, result), (0.0, 2.0, 8.0), {"weights": "none"})
    assert {note.key for note in model.metadata_props} == {"weights", "radius_model"}
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    p = np.array([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]])
    x = np.log(np.repeat(np.repeat(p[None, None], 4, 1), 4, 2) + 1e-12).astype(np.float32)
    radius_px, certainty = session.run(["radius_px", "certainty"], {"blurred": x})
    assert radius_px.shape == (1, 1, 2)
    np.testing.assert_allclose(radius_px[0, 0], [2.5, 8], rtol=1e-5)
    spread = np.sqrt(0.5 * 2.5**2 + 0.25 * 0.5**2 + 0.25 * 5.5**2)
    np.testing.assert_allclose(certainty[0, 0], [max(0, 1 - spread / 3.5), 1], atol=1e-3)


def test_a_network_that_tells_no_radius_has_one_output() -> None:
    inputs = keras.Input((None, None, 3))
    network = keras.Model(inputs, layers.ReLU()(inputs))
    assert radii_told(network) == ()
    model = onnx_of(network, radii_told(network))
    assert [output.name for output in model.graph.output] == ["restored"]
