"""The flags of `dataset` and `blur`, and the settings they stand for."""

import argparse
import os
from pathlib import Path

from prepare.ffhq_source import FfhqSettings
from prepare.flags import add_settings, count_of, radius_of, settings_from, switch_of
from prepare.settings import LensBlur, PairSettings

SOURCES = ("ffhq", "mirror", "drive", "folder", "sample")


def add_dataset(parser: argparse.ArgumentParser, num_images: int | None = None) -> None:
    """Adds the flags that say which originals are wanted; `num_images` makes them optional."""
    parser.add_argument(
        "--num-images",
        type=count_of,
        required=num_images is None,
        default=num_images,
        help="originals to have in all",
    )
    source = "ffhq" if num_images is None else "sample"
    parser.add_argument("--source", choices=SOURCES, default=source, help="of the originals")
    parser.add_argument("--from", dest="from_dir", type=Path, help="folder of --source folder")
    parser.add_argument(
        "--keep",
        type=switch_of,
        default=True,
        metavar="0|1",
        help="0 removes each fetched or drawn original once its pairs are made (default: 1)",
    )
    add_settings(parser, FfhqSettings, skip="source")
    add_blur(parser)


def add_blur(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that say how the blurred sets are made."""
    add_radius(parser, "radii of the sets: pixels of a 1024-wide original, or a range 10-40")
    parser.add_argument(
        "--depth", dest="depth_dir", type=Path, help="folder of grey depth maps, named by id"
    )
    parser.add_argument(
        "--workers",
        type=count_of,
        default=os.cpu_count(),
        help="images at a time (default: all cores)",
    )
    add_settings(parser, PairSettings)
    add_settings(parser, LensBlur, skip="radius_px depth")


def add_radius(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--radius", type=radius_of, nargs="+", default=argparse.SUPPRESS, help=text)


def blurs_of(args: argparse.Namespace) -> list[LensBlur]:
    """One blur for each radius asked for; "10-40" draws one for every image."""
    radii = getattr(args, "radius", None) or [LensBlur.radius_px]
    depth = getattr(args, "depth_dir", None) is not None
    return [settings_from(args, LensBlur(), radius_px=each, depth=depth) for each in radii]
