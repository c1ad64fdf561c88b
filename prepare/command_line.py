"""Makes command-line flags from settings classes, so that each is defined in one place."""

import argparse
import contextlib
import difflib
import glob
import os
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from prepare.ffhq.metadata import FfhqSettings, without_login
from prepare.records import IN_CLONE, PROGRAM
from prepare.records.blur import DRAWS, LensBlur, OutputSettings, SetSettings
from prepare.records.data_folder import Part
from prepare.records.ranges import Spread, as_typed
from prepare.records.sets import RECIPES, recipe_set
from prepare.records.settings import SettingError, allowed_values, choices_of, require

Settings = TypeVar("Settings")

SOURCES = ("ffhq", "mirror", "drive", "folder", "sample")
LARGEST_RADIUS_PX = 96  # that `deblur` takes back
WHAT_TO_INSTALL = "-r requirements/cpu.lock" if IN_CLONE else '"pix2pix-deblurrer[train]"'
FLAGS = {"radius_px": "radius", "draw": "draws"}  # where it has another name
MAKE_NAMES = {"num-images": "N", "data-dir": "DATA", "runs-dir": "RUNS"}  # likewise, behind make
OF_THE_MAKEFILE = {"DEVICE", "PYTHON", "ROCM_WHEEL", "ARGS", "TORCH", "UPGRADE", "EXAMPLES"}


class UsageError(Exception):
    """The typed words are not valid; the message says what is."""


class Parser(argparse.ArgumentParser):
    """An argument parser with one-line errors that say what to do next."""

    commands: Mapping[str, "Parser"]  # of the subcommands, by name

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What may follow a flag although it begins with a minus: ranges and choices, too.
        self._negative_number_matcher = re.compile(r"-[\d.][\d.,-]*")

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see `{self.prog} --help`")


def split_variables(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """The words of a command line, and the variables among them, as in IN=photo.jpg."""
    found = {word: word.split("=", 1) for word in words if re.match("[A-Z][A-Z_]*=", word)}
    return [word for word in words if word not in found], dict(found.values())


def words_from_variables(
    commands: Mapping[str, Parser], words: list[str], typed: Mapping[str, str]
) -> list[str]:
    """The words of a subcommand, followed by the flags for the variables.

    A variable that another subcommand knows is passed over: make may be given several targets.

    Raises:
        UsageError: if no subcommand knows a variable; names the nearest.
    """
    if not typed or not words or words[0] not in commands:
        return words
    known = {name for command in commands.values() for name in variables_of(command)}
    for name in typed.keys() - known - OF_THE_MAKEFILE:
        near = difflib.get_close_matches(name.upper(), known | OF_THE_MAKEFILE, 1, 0)
        raise UsageError(f"no variable is called {name}; the nearest is {near[0]}")
    words, last = [*words], []
    for name, action in variables_of(commands[words[0]]).items():
        value = typed.get(name, "")
        if not value:
            continue
        if action.nargs == 0:
            if value not in ("0", "1"):
                raise UsageError(f"{name} must be 0 or 1, got {value}")
            words += [action.option_strings[0]] * int(value)
        elif not action.option_strings:
            last = _paths(value)
        elif action.nargs == "+":
            several = _paths(value) if action.type is Path else value.split()
            words += [action.option_strings[0], *several]
        else:
            is_path = action.type is Path or (name == "IDS" and not {"/", os.sep}.isdisjoint(value))
            words.append(f"{action.option_strings[0]}={_path(value) if is_path else value}")
    return words + last


def read_makeflags() -> dict[str, str]:
    """The variables that were typed behind make, as they were typed.

    GNU make puts them behind `--`, a blank between two, and a backslash before each blank, tab and
    backslash of a value; it doubles each $.
    """
    _, _, variables = f" {os.environ.get('MAKEFLAGS', '')}".partition(" -- ")
    found = re.findall(r"(\w+)=((?:\\.|[^\\ ])*)", variables, re.DOTALL)
    return {name: re.sub(r"\\(.)|\$(\$)", r"\1\2", value, flags=re.DOTALL) for name, value in found}


def variables_of(command: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """The names of a subcommand's flags as make variables."""
    return {
        make_name(action.option_strings[-1][2:] if action.option_strings else "in"): action
        for action in command._actions
        if action.dest != "help"
    }


def _paths(value: str) -> list[str]:
    """The paths that a value names: one, blanks and all, or several or patterns."""
    whole = _path(value)
    if os.path.lexists(whole) or len(value.split()) < 2:
        return [whole] if os.path.lexists(whole) else sorted(glob.glob(whole)) or [whole]
    several = [_paths(word) for word in value.split()]
    found = [path for paths in several for path in paths]
    return found if os.path.lexists(found[0]) else [whole]


def _path(value: str) -> str:
    """A typed path, seen from the folder of the project, where make goes."""
    if "://" in value:
        return value
    value = os.path.expanduser(value) if value.startswith("~/") else value
    folder = os.environ.get("TYPED_IN", "." if value.startswith("-") else "")
    return os.path.join(folder, value)


def in_words_of_make(message: str) -> str:
    """A message about flags, in the words of make variables."""
    message = re.sub(r"see `python pipeline.py.* --help`", "see `make help`", message)
    return re.sub(r"(argument )?--(?!help)([a-z][a-z-]+)", lambda flag: make_name(flag[2]), message)


def in_words_of_program(message: str) -> str:
    """A message for somebody who types another word than make, and may have no make."""
    if PROGRAM == "make":
        return message
    message = message.replace("make help", f"{PROGRAM} --help")
    message = message.replace("make setup", f"python -m pip install {WHAT_TO_INSTALL}")
    return re.sub(r"\bmake (?=[a-z-]+[` ])", f"{PROGRAM} ", message)


def make_name(flag: str) -> str:
    """The name of a flag, given without its dashes, as a make variable."""
    return MAKE_NAMES.get(flag, flag.upper().replace("-", "_"))


def in_words_of_flags(error: SettingError) -> str:
    """The error of a setting, in the words of flags."""
    flag = FLAGS.get(error.setting, error.setting).replace("_", "-")
    return f"--{flag} must be {error.expected}, got {error.got}"


def add_settings(parser: argparse.ArgumentParser, settings_class: type) -> None:
    """Adds a flag for each field that `setting` made with one, in a separate group.

    None has a default, see `settings_from`. A field is annotated bool, int, float, str, a `Literal`
    of these, or `Any` where it may be a `Spread`.
    """
    group = parser.add_argument_group(settings_class.__name__)
    hints = typing.get_type_hints(settings_class)
    for field in fields(settings_class):
        if not field.metadata.get("flag"):
            continue
        is_random = hints[field.name] is Any
        kind, choices = (parse_random, ()) if is_random else _kind_and_choices(hints[field.name])
        metavars: dict[Any, str] = {parse_bool: "0|1", parse_random: "VALUES"}
        metavar = metavars.get(kind, kind.__name__.upper())
        notes = filter(None, (allowed_values(field), f"default: {as_typed(field.default)}"))
        group.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=kind,
            choices=choices or None,
            default=argparse.SUPPRESS,
            metavar="|".join(map(str, choices)) if choices else metavar,
            help=f"{field.metadata['help']} ({'; '.join(notes)})".replace("%", "%%"),
        )


def _kind_and_choices(hint: Any) -> tuple[Callable[[str], Any], tuple]:
    """How a field's text is read, and which values it may take, if only some."""
    if choices := choices_of(hint):
        return type(choices[0]), choices
    if isinstance(hint, types.UnionType):
        hint = next(kind for kind in typing.get_args(hint) if kind is not type(None))
    return (parse_bool if hint is bool else hint), ()


def settings_from(args: argparse.Namespace, defaults: Settings, **own: object) -> Settings:
    """`defaults`, but for `own` and for what the command line says; SettingError if it is wrong."""
    names = {field.name for field in fields(defaults)}  # type: ignore[arg-type]
    chosen = {name: value for name, value in vars(args).items() if name in names}
    return replace(defaults, **(chosen | own))  # type: ignore[type-var]


def described(*settings: Any) -> str:
    """Every resolved setting of some dataclasses, a line each, and no password."""
    lines = []
    for chosen in settings:
        lines.append(type(chosen).__name__)
        lines += [f"  {field.name} = {getattr(chosen, field.name)}" for field in fields(chosen)]
    return without_login("\n".join(lines))


def parse_random(text: str) -> float | str | Spread:
    """A value of a blur's setting, a range 10-40, or a choice 0,5-8 of both."""
    try:
        return Spread.of_text(text).value
    except ValueError as error:
        expected = "expected a number, a range such as 10-40, or choices such as 0,5-8"
        raise argparse.ArgumentTypeError(f"{expected}; got {text}") from error


def whole_number(low: int, high: int = 2**31 - 1) -> Callable[[str], int]:
    """Reads a whole number between two limits, both included."""

    def parse(text: str) -> int:
        if text.isascii() and text.isdecimal() and low <= int(text[:20]) <= high:
            return int(text)
        expected = f"expected a whole number from {low} to {high}"
        raise argparse.ArgumentTypeError(f"{expected}, got {text}")

    return parse


def parse_share(text: str) -> float:
    """A number from 0 to 1."""
    with contextlib.suppress(ValueError):
        if 0 <= (share := float(text)) <= 1:
            return share
    raise argparse.ArgumentTypeError(f"must be a number between 0 and 1, got {text}")


def parse_limits(text: str) -> tuple[float, float] | None:
    """A radius of a blur in pixels, or the least and the largest; None for "auto"."""
    if text == "auto":
        return None
    with contextlib.suppress(ValueError):
        ends = [float(part) for part in text.split("-")]
        if len(ends) <= 2 and 0 <= ends[0] <= ends[-1] <= LARGEST_RADIUS_PX and ends[-1] > 0:
            return ends[0], ends[-1]
    expected = f"auto, a radius of up to {LARGEST_RADIUS_PX} pixels, or a range such as 4-9"
    raise argparse.ArgumentTypeError(f"must be {expected}, got {text}")


def parse_bool(text: str) -> bool:
    """0 or 1."""
    if text not in ("0", "1"):
        raise argparse.ArgumentTypeError(f"expected 0 or 1, got {text}")
    return text == "1"


def parse_part(text: str) -> Part:
    """A part and their number, as in 2/8."""
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    part = Part(int(match[1]), int(match[2])) if match else Part(0, 0)
    if not 1 <= part.number <= part.of:
        raise argparse.ArgumentTypeError(f"expected a part such as 2/8, got {text}")
    return part


def add_dataset(
    parser: Parser, num_images: int = 1000, source: str = "ffhq", *, with_part: bool = False
) -> None:
    """Adds the flags that choose the originals, by default so many of such a source."""
    parser.set_defaults(part=None, engine="local")
    if with_part:
        machines = parser.add_mutually_exclusive_group()
        text = "ray makes all parts on a Ray cluster, if Ray is installed (default: local)"
        machines.add_argument("--engine", choices=("local", "ray"), default="local", help=text)
        text = "2/8 makes the second of eight parts, for use on several machines"
        machines.add_argument("--part", type=parse_part, metavar="K/N", help=text)
    text = "total number of originals (default: %(default)s)"
    parser.add_argument("--num-images", type=whole_number(1), default=num_images, help=text)
    text = "where originals come from"
    parser.add_argument("--source", choices=SOURCES, default=source, help=text)
    text = "folders for --source folder"
    parser.add_argument("--from", dest="from_dirs", type=Path, nargs="+", default=[], help=text)
    text = "0 removes each downloaded or drawn original after its pairs are made (default: 1)"
    parser.add_argument("--keep", type=parse_bool, default=True, metavar="0|1", help=text)
    add_settings(parser, FfhqSettings)
    add_blur(parser)


def add_blur(parser: argparse.ArgumentParser) -> None:
    """Adds the flags for how blurred sets are made, see `sets_to_make`."""
    text = "one set per radius: pixels of a 1024-pixel-wide original, a range 10-40, choices 0,5-8"
    add_radius(parser, text)
    text = "recipe that chooses all settings of the blur for each image"
    parser.add_argument("--kernel", choices=tuple(RECIPES), default=None, help=text)
    text = "number of sets to make with --kernel or ranges, each with other choices (default: 1)"
    parser.add_argument("--draws", type=whole_number(1), default=1, help=text)
    text = "folder of gray depth maps, named by id"
    parser.add_argument("--depth", dest="depth_dir", type=Path, help=text)
    text = "images made at the same time (default: all cores)"
    parser.add_argument("--workers", type=whole_number(1), default=os.cpu_count(), help=text)
    add_settings(parser, OutputSettings)
    add_settings(parser, LensBlur)


def add_radius(parser: argparse.ArgumentParser, text: str) -> None:
    """Adds the flag that gives one blur for each of several radii, see `sets_to_make`."""
    parser.add_argument(
        "--radius", type=parse_random, nargs="+", default=argparse.SUPPRESS, help=text
    )


def add_sets(parser: argparse.ArgumentParser, text: str) -> None:
    """Adds the flags that name blurred sets, see `sets_from`."""
    names = f"names of blurred sets {text}, or patterns such as wild-*"
    parser.add_argument("--kernel", nargs="+", default=argparse.SUPPRESS, help=names)
    add_radius(parser, f"radii of discs {text}; short for the names disc-r..")


def sets_to_make(args: argparse.Namespace) -> SetSettings:
    """One set for each radius, or for a recipe; with draws, each this many times.

    Settings without effect are removed, so that equal pictures are one set.
    """
    numbers = range(1, min(args.draws, DRAWS.stop) + 1)  # one too many is refused
    if args.kernel:
        flags = ["radius", *(field.name for field in fields(LensBlur) if field.metadata["flag"])]
        given = [name for name in flags if hasattr(args, name)]
        given += ["depth"] if args.depth_dir else []
        expected = f"given alone: the recipe chooses --{given[0]} is" if given else ""
        require(not given, "kernel", expected.replace("_", "-"), args.kernel)
        drawn = [recipe_set(args.kernel, number) for number in numbers]
    else:
        radii = getattr(args, "radius", None) or [LensBlur.radius_px]
        depth = args.depth_dir is not None
        blurs = [settings_from(args, LensBlur(), radius_px=radius, depth=depth) for radius in radii]
        drawn = [replace(blur, draw=number) for blur in blurs for number in numbers]
    for blur in drawn:
        blur.check_name()
    output = settings_from(args, OutputSettings())
    return SetSettings([blur.simplified for blur in drawn], output, args.workers, args.depth_dir)


def sets_from(args: argparse.Namespace) -> list[str | LensBlur]:
    """The sets asked for: names and patterns, and the disc of each radius."""
    return [*getattr(args, "kernel", []), *map(LensBlur, getattr(args, "radius", []))]
