"""Exported generators answer as the original does, in their own runtimes."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from train.export import export as export_module
from train.export.export import ExportError, export
from train.networks.blurs import BANKS
from train.networks.generators import build_residual, build_unet


@pytest.fixture
def generator() -> keras.Model:
    """The residual generator with no weight at zero, so that every layer has its say."""
    network = build_residual(64, 12, 0, BANKS["pooled"])
    rng = np.random.default_rng(0)
    network.set_weights([w + rng.normal(0, 0.02, w.shape) for w in network.get_weights()])
    return network


def pictures(size: int, num_images: int = 2) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return list(rng.integers(0, 256, (num_images, size, size, 3), np.uint8))


def test_savedmodel_and_tflite_answer_alike(tmp_path: Path, generator: keras.Model) -> None:
    differences = export(generator, tmp_path, pictures(64), ["savedmodel", "tflite"])
    assert set(differences) == {"savedmodel", "tflite"}
    assert max(differences.values()) < 1e-4
    assert (tmp_path / "savedmodel" / "saved_model.pb").exists()
    assert (tmp_path / "generator.tflite").exists()
    export(generator, tmp_path, pictures(64), ["savedmodel"])  # again, over the first


@pytest.mark.parametrize(("kind", "size"), [("residual", 64), ("unet", 256)])
def test_onnx_answers_alike(tmp_path: Path, generator: keras.Model, kind: str, size: int) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    network = generator if kind == "residual" else build_unet("batch", seed=0)
    differences = export(network, tmp_path, pictures(size, 1), ["onnx"])
    assert differences["onnx"] < 1e-3
    if kind == "residual":  # any size, not only that of the export
        session = runtime.InferenceSession(str(tmp_path / "generator.onnx"))
        other = np.zeros((1, 40, 100, 3), np.float32)
        assert session.run(None, {"blurred": other})[0].shape == other.shape


def test_a_wrong_answer_is_a_failure(
    tmp_path: Path, generator: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_wrong(network: keras.Model, _out_dir: Path, _shape: tuple):
        return lambda blurred: network(blurred).numpy() + 0.02

    monkeypatch.setattr(export_module, "write_savedmodel", write_wrong)
    with pytest.raises(ExportError, match="more than 1/255 off"):
        export(generator, tmp_path, pictures(32), ["savedmodel"])


def test_missing_packages_are_named_before_anything_is_written(
    tmp_path: Path, generator: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(export_module.NEEDED, "onnx", ("no_such_package",))
    with pytest.raises(ExportError, match="no_such_package missing"):
        export(generator, tmp_path / "out", pictures(32), ["savedmodel", "onnx"])
    assert not (tmp_path / "out").exists()


def test_the_exported_model_needs_no_code_of_ours(tmp_path: Path, generator: keras.Model) -> None:
    export(generator, tmp_path, pictures(32), ["savedmodel"])
    program = (
        "import tensorflow as tf; model = tf.saved_model.load('savedmodel'); "
        "y = model.signatures['serving_default'](blurred=tf.zeros((1, 48, 32, 3)))['restored']; "
        "print(y.shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "(1, 48, 32, 3)"
