"""A run's ONNX file: written when it is first needed, and again once the weights are newer.

The file notes which weights it was made of, so copies and clones, whose times tell nothing, need
no TensorFlow either. Who may not write into the run restores from memory.
"""

import contextlib
import importlib.util
from pathlib import Path

import onnxruntime.capi.onnxruntime_pybind11_state as ort

from prepare.records.files import FolderInUseError, only_writer, sha256_of, write_bytes
from train import TrainError
from train.restore.engine import Engine
from train.run import Run, index_of
from train.settings import SIZE_MULTIPLES

FORMAT = "1"  # of what the file holds: outputs and notes
NEEDED = ("tensorflow", "onnx")  # to write it
DAMAGE = (ort.Fail, ort.InvalidProtobuf, ort.InvalidGraph, ort.InvalidArgument, ort.NotImplemented)


class NoWeightsError(TrainError):
    """The run has nothing to restore with, or not here."""


def weights_note(run_dir: Path) -> str:
    """A hash that changes with a run's weights; empty if it has none.

    The index of a checkpoint holds the checksum of every tensor.
    """
    while path := Run(run_dir).weights:
        with contextlib.suppress(FileNotFoundError):  # a training replaced it meanwhile
            return sha256_of(index_of(path))
    return ""


def notes_of(weights: str, step: int, generator: str) -> dict[str, str]:
    """What the file says of itself.

    Args:
        weights: see `weights_note`, of before the generator was loaded.
        step: the step that it was saved at.
        generator: its kind, as in the settings.
    """
    multiple = str(SIZE_MULTIPLES[generator])
    return {"format": FORMAT, "weights": weights, "step": str(step), "multiple": multiple}


def open_engine(run_dir: Path, detail: float = 1.0) -> Engine:
    """A run's generator, from its ONNX file, which is written if it is missing or older.

    Args:
        run_dir: the run.
        detail: how much of what the adversarial term did to the weights is kept, 0..1 (network
            interpolation, Wang et al., ESRGAN, Sec. 3.4). Each has a file of its own.

    Raises:
        NoWeightsError: if the run has none, or what it takes to write the file is not installed.
        TrainError: see `train.checkpoints.load_generator`.
    """
    path, weights = _file_of(run_dir, detail)
    if engine := _fitting(path, weights):
        return engine
    if not weights:
        raise NoWeightsError(
            f"no checkpoint in {run_dir}; run `make train RUN={run_dir.name}` first"
        )
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        state = "older than its weights" if path.exists() else "not written yet"
        raise NoWeightsError(
            f"{path} is {state}, and {missing[0]} is not installed, which writes it; run `make "
            f"setup`, then the same command again (or `make export RUN={run_dir.name}`)"
        )
    print(f"{run_dir.name}: its weights are new; writing {path}")
    content = _exported(run_dir, weights, detail)
    engine = Engine(content)
    _keep(path, content)
    return engine


def written_engine(run_dir: Path, detail: float = 1.0) -> Engine | None:
    """As `open_engine`, if the ONNX file is there and no older than its weights; else None."""
    return _fitting(*_file_of(run_dir, detail))


def keeps_both(run_dir: Path) -> bool:
    """Whether a run has its network of before the adversarial term, too, for DETAIL."""
    return Run(run_dir).pixel is not None


def _file_of(run_dir: Path, detail: float) -> tuple[Path, str]:
    """Where the ONNX file is, and the note of the weights that it is to be made of."""
    weights, path = weights_note(run_dir), Run(run_dir).exported
    if detail < 1:
        path = path.with_stem(f"{path.stem}-detail{100 * detail:g}")
        weights = _note_of_both(run_dir, weights, path)
    return path, weights


def _fitting(path: Path, weights: str) -> Engine | None:
    """What the file holds, if it was made of these weights; of any, where there are none."""
    engine = _read(path)
    return engine if engine and weights in ("", engine.notes["weights"]) else None


def _note_of_both(run_dir: Path, weights: str, path: Path) -> str:
    """`weights_note` of a run's own weights and of those before its adversarial term."""
    if pixel := Run(run_dir).pixel:
        return f"{weights} {sha256_of(index_of(pixel))}"
    if path.is_file():
        return ""  # a copy of the file alone
    raise NoWeightsError(
        f"{run_dir.name} has one network, not two to choose between: it was trained without the "
        "adversarial term, or by an older version; leave DETAIL out"
    )


def _read(path: Path) -> Engine | None:
    """What the file holds; None if it is missing, damaged, or not as this version writes it."""
    try:
        engine = Engine(path) if path.is_file() else None
    except DAMAGE:
        return None
    return engine if engine and engine.notes.get("format") == FORMAT else None


def _exported(run_dir: Path, weights: str, detail: float) -> bytes:
    from train.devices import load_tensorflow

    load_tensorflow()
    from train.checkpoints import load_generator, load_pixel_average
    from train.export.export import onnx_bytes

    generator, step, record = load_generator(run_dir)
    if detail < 1:
        both = zip(load_pixel_average(run_dir).get_weights(), generator.get_weights(), strict=True)
        generator.set_weights([(1 - detail) * pixel + detail * own for pixel, own in both])
    return onnx_bytes(generator, notes_of(weights, step, record.settings.generator))


def _keep(path: Path, content: bytes) -> None:
    """Writes the file, unless that is refused: readers wait for nobody."""
    try:
        with only_writer(path.parent, "make deblur"):
            write_bytes(path, content)
    except (OSError, FolderInUseError) as error:
        print(f"{path} is not written ({error}); the next time begins as this did")
