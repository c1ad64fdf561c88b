"""The output of a training: `log.csv`, TensorBoard events, sample sheets and progress."""

import csv
import io
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from prepare.records.files import named_errors, write_text
from prepare.records.jsonl import read_log
from prepare.records.settings import explain_damage
from train.dataset import write_picture
from train.settings import TrainSettings
from train.train_step import LOSSES, TrainState
from train.validation import METRICS

COLUMNS = ("step", "epoch", *LOSSES, "skipped_steps", *METRICS)
LINE_S = 60.0  # between lines of progress, where there is no terminal to hold a bar
LINE = "{desc}: step {n_fmt} of {total_fmt}, {rate_fmt}, {remaining} left{postfix}"


class Lines(io.TextIOBase):
    """Prints each update that tqdm writes over its last line as a separate line."""

    def write(self, text: str) -> int:
        if text.strip():
            tqdm.write(text.strip())
            sys.stdout.flush()
        return len(text)


class Recorder:
    """Records a run from its present step on; forgets lines of `log.csv` past it.

    TensorBoard gets the sample sheets, too. Of several workers, one writes.

    Attributes:
        bar: counts the steps; a bar in a terminal, elsewhere a line a minute.
    """

    def __init__(
        self,
        run_dir: Path,
        state: TrainState,
        settings: TrainSettings,
        num_images: int,
        writes: bool,
    ) -> None:
        self.run_dir, self.state, self.settings = run_dir, state, settings
        self.num_images, self.writes = num_images, writes
        first_step = int(state.step.numpy())
        if writes:
            forget_lines_past(run_dir / "log.csv", first_step)
            self.events = tf.summary.create_file_writer(str(run_dir))
        num_steps = settings.total_steps(num_images)
        if first_step:
            print(f"{run_dir.name} continues from step {first_step} of {num_steps}")
        in_terminal = sys.stderr.isatty()
        self.bar = tqdm(
            total=num_steps,
            initial=first_step,
            desc=run_dir.name,
            unit="step",
            dynamic_ncols=in_terminal,
            file=sys.stderr if in_terminal else Lines(),
            mininterval=0.1 if in_terminal else LINE_S,
            maxinterval=10 if in_terminal else LINE_S,
            bar_format=None if in_terminal else LINE,
        )
        self.validated = ""  # the last score, for the bar

    def write(self, step: int, means: dict[str, float], sheet: np.ndarray | None = None) -> None:
        """Writes a line of means since the last one, by the names of LOSSES and METRICS.

        After a validation, with its scores and its sheet: blurred | restored | sharp, uint8.
        """
        self.state.loss_sums.assign(tf.zeros_like(self.state.loss_sums))
        if "validation_psnr_db" in means:
            self.validated = f", validation {means['validation_psnr_db']:.2f} dB"
        self.bar.set_postfix_str(f"L1 {means['l1']:.4f}{self.validated}", refresh=False)
        if not self.writes:
            return
        epoch = step * self.settings.batch / self.num_images
        row = {"step": step, "epoch": epoch} | means | {"skipped_steps": self.state.num_skipped()}
        log_path = self.run_dir / "log.csv"
        if sheet is not None:
            write_picture(self.run_dir / "samples" / f"step-{step:07d}.jpg", sheet)
        with named_errors(log_path), log_path.open("a", newline="") as file:
            csv.DictWriter(file, COLUMNS).writerow(row)
        try:
            with self.events.as_default(step=step):
                for name, value in row.items():
                    tf.summary.scalar(name, value)
                if sheet is not None:
                    tf.summary.image("samples", sheet[None])
            self.events.flush()
        except tf.errors.OpError as error:
            reason = error.message.splitlines()[0]
            raise OSError(f"{self.run_dir}: events cannot be written ({reason})") from error


def forget_lines_past(path: Path, step: int) -> None:
    """Writes `log.csv` again with its heading and its complete lines up to a step."""
    hint = "bring it back, or move it away to continue without its lines"
    kept = [row for row in read_log(path, hint) if int(row["step"]) <= step]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    with explain_damage(path, hint):
        writer.writerows(kept)
    write_text(path, text.getvalue())
