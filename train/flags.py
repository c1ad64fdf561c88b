"""The flags of the subcommands that train, score and restore."""

import argparse
import contextlib
import os
from pathlib import Path

from train.evaluation import ALL, SAMPLE, SAMPLE_SIZE
from train.settings import PRESETS
from train.studio import FIRST_PORT

RESTORED = Path(os.environ.get("TYPED_IN", ""), "restored")  # make may be called from elsewhere
HELP_OF_OUT = "folder of the results (default: restored)"


def add_preset(parser: argparse.ArgumentParser) -> None:
    """Adds the flag that names the recipe; it has no default, as a run that was begun has one."""
    text = "recipe to start from (default: sharp)"
    parser.add_argument("--preset", choices=PRESETS, default=argparse.SUPPRESS, help=text)


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that say what is scored beside the sets."""
    text = "folder of real pairs <name>_blurred.*, <name>_sharp.*, and _mask.* where to score"
    parser.add_argument("--real", type=Path, help=text)
    text = (
        f"what classical methods are scored on: {SAMPLE_SIZE} images by a hash of their ids, or all"
    )
    parser.add_argument("--baselines", choices=(SAMPLE, ALL), default=SAMPLE, help=text)


def add_deblur(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that say what is restored, and how."""
    parser.add_argument("photographs", type=Path, nargs="+", help="files or folders")
    text = "folder of the results (default: restored)"  # where make was called, as other paths
    parser.add_argument(
        "--out", type=Path, default=Path(os.environ.get("TYPED_IN", ""), "restored"), help=text
    )
    text = "0 leaves a photograph as it is, 1 restores"
    parser.add_argument("--strength", type=parse_share, default=1.0, help=text)
    text = "1 keeps all that the adversarial term sharpened, 0 nothing of it"
    parser.add_argument("--detail", type=parse_share, default=1.0, help=text)
    text = "also write before and after side by side"
    parser.add_argument("--compare", action="store_true", help=text)
    parser.add_argument("--map", action="store_true", help="also write a map of the blur seen")
    parser.set_defaults(run=None)  # the pretrained network


def add_studio(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that say where the page is, and where restored photographs go."""
    text = f"of 127.0.0.1 (default: {FIRST_PORT}, or a free one where that is taken)"
    parser.add_argument("--port", type=parse_port, help=text)
    parser.add_argument("--out", type=Path, default=RESTORED, help=HELP_OF_OUT)
    parser.set_defaults(run=None)  # the pretrained network


def parse_share(text: str) -> float:
    """A number from 0 to 1."""
    with contextlib.suppress(ValueError):
        if 0 <= (share := float(text)) <= 1:
            return share
    raise argparse.ArgumentTypeError(f"must be a number between 0 and 1, got {text}")


def parse_port(text: str) -> int:
    """A whole number from 1 to 65535."""
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to 65535, got {text}")
    return int(text)
