"""A run's ONNX file: when it is written, when it is not, and which run is taken."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.pair_files import ROOT, write_photos
from helpers.runs import SETTINGS

import pipeline
from prepare.records.files import only_writer
from train.restore import onnx_file
from train.restore.onnx_file import NoWeightsError, open_engine
from train.run import Run, RunRecord


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with one checkpoint of its generator."""
    import tensorflow as tf

    from train.networks.generators import build_generator

    run_dir = tmp_path_factory.mktemp("runs") / "r"
    Run(run_dir).write(RunRecord(SETTINGS, ("disc-r30",), 64, "sharp", True), ["CPU"])
    step = tf.Variable(4, dtype=tf.int64)
    state = tf.train.Checkpoint(step=step, averaged=build_generator(SETTINGS))
    manager = tf.train.CheckpointManager(state, str(run_dir), 1, checkpoint_name="ckpt")
    manager.save(checkpoint_number=4)
    open_engine(run_dir)
    return run_dir


@pytest.fixture
def run_dir(trained: Path, tmp_path: Path) -> Path:
    """A copy of it, with its ONNX file, whose times say nothing."""
    shutil.copytree(trained, tmp_path / "runs" / "r", copy_function=shutil.copyfile)
    return tmp_path / "runs" / "r"


@pytest.fixture
def no_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the small environment."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in onnx_file.NEEDED else find(name)
    )


def make_newer(run_dir: Path) -> None:
    """Gives the run other weights, as far as its checksums say."""
    for suffix in (".index", ".data-00000-of-00001"):
        shutil.copy(run_dir / f"ckpt-4{suffix}", run_dir / f"ckpt-12{suffix}")
    with open(run_dir / "ckpt-12.index", "ab") as file:
        file.write(b"\0")
    with open(run_dir / "checkpoint", "a") as file:
        file.write('all_model_checkpoint_paths: "ckpt-12"\n')


@pytest.mark.usefixtures("no_tensorflow")
def test_a_fresh_file_needs_nothing_else(run_dir: Path) -> None:
    engine = open_engine(run_dir)
    assert engine.notes["step"] == "4"
    assert engine.notes["multiple"] == "4"
    assert engine.tells_radius
    for path in run_dir.glob("ckpt-*"):
        path.unlink()
    assert open_engine(run_dir).notes == engine.notes  # the file alone serves as well


@pytest.mark.usefixtures("no_tensorflow")
def test_without_tensorflow_a_stale_file_is_told_with_the_way_out(run_dir: Path) -> None:
    make_newer(run_dir)
    with pytest.raises(NoWeightsError, match=r"is older than its weights.*tensorflow.*make setup"):
        open_engine(run_dir)
    shutil.rmtree(run_dir / "export")
    with pytest.raises(NoWeightsError, match=r"not written yet.*make export RUN=r"):
        open_engine(run_dir)


@pytest.mark.parametrize("content", [b"", b"no model", None])
def test_what_is_damaged_is_written_again(run_dir: Path, content: bytes | None) -> None:
    path = run_dir / "export" / "generator.onnx"
    whole = path.read_bytes()
    path.write_bytes(whole[:5000] if content is None else content)
    open_engine(run_dir)
    assert path.read_bytes() == whole


def test_newer_weights_are_exported_beside_another_writer_and_into_a_folder_that_is_closed(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    path = run_dir / "export" / "generator.onnx"
    before = path.read_bytes()
    shutil.copytree(run_dir, run_dir.parent / "later")
    path.write_bytes(b"old")
    with only_writer(run_dir / "export", "make export"):
        assert open_engine(run_dir).notes["step"] == "4"  # waits for nobody
    assert path.read_bytes() == b"old"
    assert "in use by make export" in capsys.readouterr().out

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(onnx_file, "write_bytes", refuse)
    assert open_engine(run_dir).tells_radius
    assert "Read-only file system" in capsys.readouterr().out
    monkeypatch.undo()
    open_engine(run_dir)
    assert path.read_bytes() == before


def test_a_run_whose_record_cannot_be_read_is_restored_with_all_the_same(run_dir: Path) -> None:
    (run_dir / "settings.json").write_text("{")
    assert Run(run_dir).fixed_radius_sets == ()
    assert open_engine(run_dir).tells_radius
    (run_dir / "settings.json").unlink()
    assert Run(run_dir).fixed_radius_sets == ()


def test_restoring_loads_no_tensorflow_nor_what_the_small_environment_lacks(
    run_dir: Path, tmp_path: Path
) -> None:
    write_photos(tmp_path / "in", ["a.png"], 100, 131)
    program = (
        "import sys, pipeline; "
        "code = pipeline.main(sys.argv[1:]); "
        "large = {'tensorflow', 'keras', 'onnx', 'cv2', 'scipy', 'skimage', 'jinja2', 'requests'}; "
        "print(sorted(large & set(sys.modules))); sys.exit(code)"
    )
    words = ["deblur", tmp_path / "in", "--out", tmp_path / "out"]
    words += ["--runs-dir", run_dir.parent, "--run", "r"]
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, words), "--map", "--compare"],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].startswith("r learned disc-r30 alone, and can make other blur worse; ")
    assert lines[1].startswith("r, step 4: 1 to restore into ")
    assert lines[2].startswith("a.png: blur of ")
    assert lines[-1] == "[]"
    names = {"a.png", "a-map.png", "a-compare.jpg"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names


def test_dry_run_says_which_run_and_writes_nothing(
    run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    shutil.rmtree(run_dir / "export")
    write_photos(tmp_path / "in", ["a.png"])
    words = ["deblur", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    words += ["--runs-dir", str(run_dir.parent), "--run", "r", "--dry-run"]
    assert pipeline.main(words) == 0
    assert "r: 1 to restore" in capsys.readouterr().out
    assert not (run_dir / "export").exists()
    assert not (tmp_path / "out").exists()


def test_the_answer_is_the_generators(trained: Path) -> None:
    from train.checkpoints import load_generator

    blurred = np.random.default_rng(0).uniform(-1, 1, (64, 96, 3)).astype(np.float32)
    expected = load_generator(trained)[0](blurred[None], training=False).numpy()[0]
    answer = blurred + open_engine(trained).correction(blurred)
    np.testing.assert_allclose(answer, expected, atol=1e-4)
