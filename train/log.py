"""The two records of a run's losses: `log.csv` and TensorBoard's events."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from train.files import write_text
from train.update import LOSSES
from train.validation import METRICS

COLUMNS = ("step", "epoch", *LOSSES, "skipped_steps", *METRICS)


def open_log(run_dir: Path, first_step: int) -> Callable[..., None]:
    """Opens `log.csv` and TensorBoard's events; forgets lines past `first_step`.

    Returns:
        a function that writes one line to both, from a dict keyed by COLUMNS, and to TensorBoard
        alone what depends on the machine (`log.csv` of equal runs is equal) and a sample sheet,
        uint8, (height, width, 3), where there is one.
    """
    path = run_dir / "log.csv"
    kept = []
    if path.exists():
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        whole = [row for row in rows if None not in row.values()]  # the last may be torn
        kept = [row for row in whole if int(row["step"]) <= first_step]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(kept)
    write_text(path, text.getvalue())
    events = tf.summary.create_file_writer(str(run_dir))

    def write_row(
        row: dict[str, float], of_machine: dict[str, float], sheet: np.ndarray | None
    ) -> None:
        with path.open("a", newline="") as file:
            csv.DictWriter(file, COLUMNS).writerow(row)
        with events.as_default(step=row["step"]):
            for name, value in (row | of_machine).items():
                tf.summary.scalar(name, value)
            if sheet is not None:
                tf.summary.image("samples", sheet[None])
        events.flush()

    return write_row
