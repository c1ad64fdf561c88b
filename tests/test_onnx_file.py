"""A run's ONNX file: when it is written, when it is not, and what restoring with it needs."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.pair_files import write_photos
from helpers.runs import write_untrained

import pipeline
from prepare.records.files import only_writer
from train import TrainError
from train.checkpoints import load_generator, save_generator
from train.restore.engine import open_engine, written_engine
from train.run import Run


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with one checkpoint of its generator, and its ONNX file."""
    run = write_untrained(tmp_path_factory.mktemp("runs") / "r", fixed_radii=True)
    open_engine(run)
    return run


@pytest.fixture
def run(trained: Run, tmp_path: Path) -> Run:
    """A copy of it, whose times say nothing."""
    shutil.copytree(trained.path, tmp_path / "runs" / "r", copy_function=shutil.copyfile)
    return Run(tmp_path / "runs" / "r")


@pytest.fixture
def no_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the small environment."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tensorflow" else find(name)
    )


@pytest.mark.usefixtures("no_tensorflow")
def test_a_fresh_file_needs_nothing_else(run: Run) -> None:
    engine = open_engine(run)
    assert engine.notes["step"] == "4"
    assert engine.notes["multiple"] == "4"
    assert engine.radii_px.size
    for path in run.path.glob("ckpt-*"):
        path.unlink()
    (run.path / "checkpoint").unlink()
    assert open_engine(run).notes == engine.notes  # the file alone serves as well
    (run.path / "settings.json").write_text("{")  # its weights are whole
    assert open_engine(run).notes == engine.notes
    (run.path / "export" / "generator.onnx.sha256").unlink()
    with pytest.raises(TrainError, match=r"was changed.*copy both again"):
        open_engine(run)
    run.exported.unlink()
    with pytest.raises(TrainError, match=r"no checkpoint yet: .*make train RUN=r"):
        open_engine(run)


@pytest.mark.usefixtures("no_tensorflow")
def test_without_tensorflow_a_stale_file_is_told_with_a_hint(run: Run) -> None:
    with open(run.path / "ckpt-4.index", "ab") as file:
        file.write(b"\0")  # other weights, as far as their checksums say
    hint = r"missing, damaged or older than its weights.*TensorFlow.*make setup"
    with pytest.raises(TrainError, match=hint):
        open_engine(run)


def test_changed_bytes_are_noticed_and_the_file_is_written_again(run: Run) -> None:
    whole = run.exported.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for content in (b"", b"no model", whole[:5000], flipped):
        run.exported.write_bytes(content)
        assert written_engine(run) is None
    open_engine(run)
    assert run.exported.read_bytes() == whole


def test_newer_weights_are_exported_beside_another_writer_and_into_a_folder_that_is_closed(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    before = run.exported.read_bytes()
    run.exported.write_bytes(b"old")
    with only_writer(run.path / "export", "make export"):
        assert open_engine(run).notes["step"] == "4"  # waits for nobody
    assert run.exported.read_bytes() == b"old"
    assert "in use by make export" in capsys.readouterr().out

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system", str(run.exported))

    monkeypatch.setattr("train.restore.engine.write_onnx_file", refuse)
    assert open_engine(run).radii_px.size
    assert "Read-only file system" in capsys.readouterr().out
    monkeypatch.undo()
    open_engine(run)
    assert run.exported.read_bytes() == before


def test_detail_blends_the_networks_of_before_and_after_the_adversarial_term(run: Run) -> None:
    assert open_engine(run, 0.5).crispness == 0.5  # one network, whose detail can be raised
    network, _, _ = load_generator(run.path)
    own, rng = network.get_weights(), np.random.default_rng(0)
    pixel = [weight + rng.normal(0, 0.02, weight.shape) for weight in own]
    network.set_weights(pixel)
    save_generator(network, run.pixel_dir, 2)
    picture = rng.uniform(-1, 1, (32, 32, 3)).astype(np.float32)
    changes = {}
    for detail in (1.0, 0.25, 0.0):
        blended = [detail * a + (1 - detail) * b for a, b in zip(own, pixel, strict=True)]
        network.set_weights(blended)
        expected = network(picture[None], training=False)[0] - picture
        changes[detail] = open_engine(run, detail).correction(picture)
        np.testing.assert_allclose(changes[detail], expected, atol=2e-4)
    assert np.abs(changes[1.0] - changes[0.0]).max() > 1e-3
    names = {"generator.onnx", "generator-detail0.onnx", "generator-detail25.onnx"}
    assert {path.name for path in (run.path / "export").glob("*.onnx")} == names


def test_dry_run_says_which_run_and_writes_nothing(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    shutil.rmtree(run.path / "export")
    write_photos(tmp_path / "in", ["a.png"])
    words = ["deblur", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--run", "r"]
    assert pipeline.main([*words, "--runs-dir", str(run.path.parent), "--dry-run"]) == 0
    assert "r: 1 photograph to restore" in capsys.readouterr().out
    assert not (run.path / "export").exists()
    assert not (tmp_path / "out").exists()
