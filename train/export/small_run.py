"""A run that is small enough to be handed on: its generator alone, ready to restore with."""

import shutil
import tempfile
from pathlib import Path

import keras

from prepare.records.files import write_bytes
from train.checkpoints import save_generator
from train.export.export import Forward, onnx_bytes
from train.restore.engine import Engine
from train.restore.onnx_file import notes_of, weights_note
from train.run import Run

RECORDS = ("settings.json", "log.csv")


def write_small_run(
    generator: keras.Model, out_dir: Path, _shape: tuple, run_dir: Path, step: int, kind: str
) -> Forward:
    """Writes the folder `run`, and loads its network again.

    It holds the record, the log, the checkpoint of the averaged generator, which other runs start
    from, and the ONNX file, in half precision. The same weights give the same files.

    Args:
        generator: of the run.
        out_dir: where the folder comes to lie.
        run_dir: the run.
        step: the step that the generator was saved at.
        kind: of the generator, as in the settings.
    """
    path = out_dir / "run"
    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir, prefix=".run-") as folder:
        part_dir = Path(folder) / "run"
        part_dir.mkdir()
        small = Run(part_dir)
        for name in RECORDS:
            shutil.copyfile(run_dir / name, part_dir / name)
        save_generator(generator, small.best_dir, step)
        (small.best_dir / "checkpoint").unlink()  # holds times, and tells no more than the folder
        notes = notes_of(weights_note(part_dir), step, kind)
        write_bytes(small.exported, onnx_bytes(generator, notes, half=True))
        shutil.rmtree(path, ignore_errors=True)
        part_dir.rename(path)
    engine = Engine(Run(path).exported)
    return lambda blurred: blurred + engine.correction(blurred[0])
