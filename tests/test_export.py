"""Exported generators answer as the original does, in their own runtimes, layer by layer."""

import resource
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from helpers.command_line import run as command
from helpers.engines import engine_of
from helpers.pair_files import tree, write_matched_folders
from helpers.runs import IDS, SETTINGS, folders_of, record_of

from train import TrainError
from train.checkpoints import load_generator, manager_of, save
from train.export import export as export_module
from train.export import notes_of
from train.export.export import export
from train.networks.deconvolution_filters import RADII
from train.networks.generators import build_residual, build_unet
from train.restore.engine import open_engine
from train.run import Run
from train.train_step import TrainState

NOTES = notes_of("none", 7, "residual")


@pytest.fixture(scope="module")
def generator() -> keras.Model:
    """The residual generator with no weight at zero, so that every layer has its say."""
    network = build_residual(8, 1, 0, pooled=True)
    rng = np.random.default_rng(0)
    network.set_weights([w + rng.normal(0, 0.02, w.shape) for w in network.get_weights()])
    return network


def exported(
    generator: keras.Model, out_dir: Path, *formats: str, size: int = 64
) -> dict[str, float]:
    pictures = np.random.default_rng(1).integers(0, 256, (2, size, size, 3), np.uint8)
    return export(generator, out_dir, list(pictures), formats, NOTES, Run(out_dir.parent))


def test_all_formats_answer_alike_and_take_any_size(tmp_path: Path, generator: keras.Model) -> None:
    (tmp_path / ".savedmodel.part" / "assets").mkdir(parents=True)  # of an export that was killed
    differences = exported(generator, tmp_path, "savedmodel", "onnx", "tflite")
    assert list(differences) == ["savedmodel", "onnx", "tflite"]
    assert max(differences.values()) < 1e-4
    names = {"generator.onnx", "generator.onnx.sha256", "generator.tflite", "savedmodel"}
    assert {path.name for path in tmp_path.iterdir()} == names
    other = np.random.default_rng(0).uniform(-1, 1, (1, 40, 100, 3)).astype(np.float32)
    expected = generator(other, training=False).numpy()
    session = onnxruntime.InferenceSession(str(tmp_path / "generator.onnx"))
    np.testing.assert_allclose(
        session.run(["restored"], {"blurred": other})[0], expected, atol=2e-4
    )
    serve = tf.saved_model.load(str(tmp_path / "savedmodel")).signatures["serving_default"]
    np.testing.assert_allclose(serve(blurred=other)["restored"], expected, atol=2e-4)


@pytest.mark.parametrize(("build", "size", "tells_radius"), [
    (lambda: build_residual(8, 1, 0), 64, True), (lambda: build_unet("batch", 0), 256, False),
])  # fmt: skip
def test_other_generators_answer_alike(
    build: Callable[[], keras.Model], size: int, tells_radius: bool
) -> None:
    network = build()
    picture = np.random.default_rng(1).uniform(-1, 1, (size, size, 3)).astype(np.float32)
    engine, expected = engine_of(network), network(picture[None], training=False)[0] - picture
    assert np.abs(engine.correction(picture) - expected).max() < 2e-3
    assert bool(engine.radii_px.size) == tells_radius


def test_given_probabilities_stand_in_the_place_of_its_own(generator: keras.Model) -> None:
    picture = np.random.default_rng(1).uniform(-1, 1, (64, 48, 3)).astype(np.float32)
    engine = engine_of(generator)
    own, _ = engine.estimate(picture)
    assert own.shape == (16, 12, len(engine.radii_px)) == (16, 12, len(RADII))
    layer = keras.Model(generator.input, generator.get_layer("radius_probs").output)
    np.testing.assert_allclose(own, layer(picture[None], training=False)[0], atol=1e-4)
    assert np.array_equal(engine.correction(picture, own), engine.correction(picture))
    other = np.zeros_like(own)
    other[..., 9] = 1
    assert np.abs(engine.correction(picture, other) - engine.correction(picture)).max() > 0.1


def test_a_wrong_answer_is_a_failure(
    tmp_path: Path, generator: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_wrong(network: keras.Model, *_: object):
        return lambda blurred: network(blurred).numpy() + 0.02

    monkeypatch.setattr(export_module, "write_savedmodel", write_wrong)
    with pytest.raises(TrainError, match="more than 1/255 off"):
        exported(generator, tmp_path, "savedmodel", size=32)


@pytest.mark.parametrize("name", ["savedmodel", "onnx"])
def test_a_full_disk_is_one_line_and_leaves_nothing(
    tmp_path: Path, generator: keras.Model, name: str
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, limits[1]))  # no file may grow further
    try:
        with pytest.raises((TrainError, OSError)) as raised:
            exported(generator, tmp_path / "export", name, size=32)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(str(raised.value).splitlines()) == 1
    assert "export" in str(raised.value)
    assert "{{" not in str(raised.value)  # TensorFlow's names of its own functions
    assert not list((tmp_path / "export").rglob("*.*"))


# A run's exports, by the command line.


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, and a run that was saved before its first step."""
    folder = tmp_path_factory.mktemp("exported")
    pairs, _ = folders_of(write_matched_folders(folder / "data", IDS, size=32))
    Run(folder / "run").write(record_of(SETTINGS, pairs), ["CPU"])
    (folder / "run" / "log.csv").write_text("step\n")
    save(manager_of(TrainState(SETTINGS, 4).checkpoint(), folder / "run"), 1)
    return folder


def test_a_run_that_is_handed_on_is_small_the_same_each_time_and_as_good(folder: Path) -> None:
    small = folder / "run" / "export" / "run"
    places, trees = ["--data-dir", folder / "data", "--runs-dir", folder], []
    for _ in range(2):
        keras.utils.clear_session()  # layers are numbered as in a process of their own
        command("export", *places, "--run", "run", "--formats", "run")
        trees.append(tree(small))
    assert trees[0] == trees[1]
    own = {path: content for path, content in tree(folder / "run").items() if "export" not in path}
    assert sum(map(len, trees[0].values())) < sum(map(len, own.values())) / 3
    generator, step, record = load_generator(folder / "run")
    small_generator, small_step, small_record = load_generator(small)
    assert (small_step, small_record) == (step, record)
    for one, other in zip(generator.get_weights(), small_generator.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    picture = np.random.default_rng(0).uniform(-1, 1, (32, 32, 3)).astype(np.float32)
    expected = generator(picture[None], training=False)[0] - picture
    assert np.abs(open_engine(Run(small)).correction(picture) - expected).max() < 1 / 255
    assert tree(small) == trees[1]  # its file is no older than its weights
