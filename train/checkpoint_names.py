"""Which checkpoints a folder holds, told without TensorFlow."""

import re
from pathlib import Path

NAME = re.compile(r"ckpt-(\d+)")
# A line of TensorFlow's list, the text of its protocol buffer CheckpointState.
LISTED = re.compile(r'^all_model_checkpoint_paths: "(?:.*/)?(ckpt-\d+)"$', re.MULTILINE)


def checkpoints_in(folder: Path) -> list[str]:
    """Paths of a folder's checkpoints in the order of their steps, without suffix.

    TensorFlow's own list is a file that a power cut may leave empty; then, and where it is missing,
    the folder is the list.
    """
    names = listed_in(folder) or [path.stem for path in folder.glob("ckpt-*.index")]
    numbers = {int(match[1]): name for name in names if (match := NAME.fullmatch(name))}
    return [str(folder / numbers[step]) for step in sorted(numbers)]


def listed_in(folder: Path) -> list[str]:
    """Names of the checkpoints that TensorFlow's list names; empty if it cannot be read."""
    try:
        return LISTED.findall((folder / "checkpoint").read_text("utf-8", "replace"))
    except OSError:
        return []
