"""A run's ONNX file: written when it is first needed, and again once the weights are newer.

The file notes which weights it was made of, so copies and clones, whose times tell nothing, need
no TensorFlow either. Who may not write into the run restores from memory.
"""

import importlib.util
from pathlib import Path

from prepare.records.files import FolderInUseError, only_writer, sha256_of
from train import TrainError
from train.export import ONNX_FORMAT, notes_of, read_onnx_file, write_onnx_file
from train.restore.engine import Engine
from train.run import Run, index_of


class NoWeightsError(TrainError):
    """The run has nothing to restore with, or not here."""


def open_engine(run: Run, detail: float = 1.0) -> Engine:
    """A run's generator, from its ONNX file, which is written if it is missing or older.

    Args:
        run: the run.
        detail: how much of what the adversarial term did to the weights is kept, 0..1 (network
            interpolation, Wang et al., ESRGAN, Sec. 3.4). Each has a file of its own.

    Raises:
        NoWeightsError: if the run has none, or what it takes to write the file is not installed.
        TrainError: see `train.checkpoints.load_generator`.
    """
    if engine := written_engine(run, detail):
        return engine
    path, weights = file_and_weights(run, detail)
    if not weights:
        raise NoWeightsError(
            f"{path} is not as it was written (see {path.name}.sha256 beside it); copy both again"
            if path.is_file()
            else f"no checkpoint in {run.path}; run `make train RUN={run.name}` first"
        )
    if importlib.util.find_spec("tensorflow") is None:
        state = "damaged, or older than its weights" if path.exists() else "not written yet"
        raise NoWeightsError(
            f"{path} is {state}, and TensorFlow is not installed, which writes it; run "
            f"`make setup`, then the same command again (or `make export RUN={run.name}`)"
        )
    print(f"{run.name}: its weights are new; writing {path}")
    content = exported(run, weights, detail)
    try:
        with only_writer(path.parent, "make deblur"):
            write_onnx_file(path, content)
    except (OSError, FolderInUseError) as error:  # readers wait for nobody
        print(f"{path} is not written ({error}); the next time begins as this did")
    return Engine(content)


def written_engine(run: Run, detail: float = 1.0) -> Engine | None:
    """As `open_engine`, if the ONNX file is there and no older than its weights; else None."""
    path, weights = file_and_weights(run, detail)
    content = read_onnx_file(path)
    if content is None:
        return None
    engine = Engine(content)
    fits = engine.notes["format"] == ONNX_FORMAT and weights in ("", engine.notes["weights"])
    return engine if fits else None


def file_and_weights(run: Run, detail: float) -> tuple[Path, str]:
    """Where the ONNX file is, and the note of the weights that it is to be made of.

    The note is empty for a run that has none, as where the file alone was copied.
    """
    path, weights = run.exported, run.weights_hash
    if detail == 1:
        return path, weights
    path = path.with_stem(f"{path.stem}-detail{100 * detail:g}")
    if pixel := run.pixel:
        return path, f"{weights} {sha256_of(index_of(pixel))}"
    if path.is_file():
        return path, ""
    raise NoWeightsError(
        f"{run.name} has one network, not two to choose between: it was trained without the "
        "adversarial term; leave DETAIL out"
    )


def exported(run: Run, weights: str, detail: float) -> bytes:
    """The ONNX file of a run's generator, made of its checkpoint."""
    from train.devices import load_tensorflow

    load_tensorflow()
    from train.checkpoints import load_generator, load_pixel_average
    from train.export.onnx import onnx_of

    generator, step, record = load_generator(run.path)
    if detail < 1:
        both = zip(load_pixel_average(run.path).get_weights(), generator.get_weights(), strict=True)
        generator.set_weights([(1 - detail) * pixel + detail * own for pixel, own in both])
    notes = notes_of(weights, step, record.settings.generator)
    return onnx_of(generator, notes).SerializeToString()
