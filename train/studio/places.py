"""What the page is given by the command line: where everything lies, and how a preview is made."""

import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prepare.records.blur import LensBlur
from prepare.records.data_folder import DataFolder

# Of a photograph's file, a blur without spreads, a side in pixels and the image's id: a JPEG.
Preview = Callable[[Path, LensBlur, int, str], bytes]


@dataclass(frozen=True)
class Places:
    """Where everything lies.

    Attributes:
        pipeline: the file of the command line.
        data: the data folder.
        runs: see `train.run.find_run`: the runs, the name of one or None, the pretrained network.
        out_dir: gets restored photographs.
        preview: blurs one photograph as a set would have it.
    """

    pipeline: Path
    data: DataFolder
    runs: tuple[Path, str | None, Path]
    out_dir: Path
    preview: Preview

    def command(self, *words: str | os.PathLike) -> list[str]:
        """The words that run a subcommand in a process of its own."""
        return [sys.executable, str(self.pipeline), *(os.fspath(word) for word in words)]


def variable(name: str, value: str | os.PathLike, default: str) -> list[str]:
    """A variable behind `make`, as it is typed; none where it has its default."""
    text = os.fspath(value)
    return [] if text == default else [f"{name}={shlex.quote(text)}"]
