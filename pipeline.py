"""The pipeline's subcommands: what people type, and where it leads.

Every stage is one function of `prepare` or `train`; it is imported by the subcommand that needs
it, so that `--help` is instant.
"""

import argparse
import os
import shutil
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

from prepare import PrepareError
from prepare.ffhq.settings import FfhqSettings
from prepare.flags import (
    Parser,
    add_blur,
    add_dataset,
    add_radius,
    add_settings,
    blurs_from,
    in_words_of_flags,
    parse_seed,
    parse_share,
    set_names_from,
    settings_from,
)
from prepare.records.blur_settings import OutputSettings
from prepare.records.data_folder import DataFolder
from prepare.records.errors import SettingError
from train import TrainError
from train.settings import PRESETS, TrainSettings

FORMATS = ("savedmodel", "onnx", "tflite")

DEMO = {
    "run": "demo",
    "data_dir": Path("data/demo"),
    "runs_dir": Path("tf_checkpoints/demo"),
    "steps": 600,
    "sample_every": 100,
    "log_every": 20,
}


def dataset(args: argparse.Namespace) -> None:
    """gets originals and makes matched pairs"""
    from prepare.dataset import SetSettings, SourceSettings, make_dataset

    host = args.source if args.source in ("drive", "mirror") else "ffhq"
    ffhq = settings_from(args, FfhqSettings(), source=host)
    wanted = SourceSettings(args.source, args.num_images, args.from_dir, args.keep, args.seed, ffhq)
    output = settings_from(args, OutputSettings())
    sets = SetSettings(blurs_from(args), output, args.workers, args.depth_dir)
    if args.dry_run:
        show_settings(wanted, ffhq, output, *sets.blurs)
    make_dataset(DataFolder(args.data_dir), wanted, sets, dry_run=args.dry_run)


def blur(args: argparse.Namespace) -> None:
    """makes further blurred sets from the originals at hand"""
    from prepare.dataset import SetSettings, make_blurred_sets

    output = settings_from(args, OutputSettings())
    sets = SetSettings(blurs_from(args), output, args.workers, args.depth_dir)
    if args.dry_run:
        show_settings(output, *sets.blurs)
    make_blurred_sets(DataFolder(args.data_dir), sets, dry_run=args.dry_run)


def train(args: argparse.Namespace) -> None:
    """trains a run, or goes on with it"""
    settings = settings_from(args, PRESETS[args.preset])
    set_names = set_names_from(args)
    if args.dry_run:
        show_settings(settings)
    from train.stages import train_run

    train_run(*places(args), set_names, settings, preset=args.preset, dry_run=args.dry_run)


def evaluate(args: argparse.Namespace) -> None:
    """scores a run on its test images and writes the report"""
    from train.stages import evaluate_run

    evaluate_run(*places(args), set_names_from(args), dry_run=args.dry_run)


def report(args: argparse.Namespace) -> None:
    """writes the report again, without evaluating"""
    from train.stages import report_run

    report_run(*places(args), set_names_from(args), dry_run=args.dry_run)


def deblur(args: argparse.Namespace) -> None:
    """restores photographs of any size"""
    from train.stages import deblur_photographs

    deblur_photographs(
        args.runs_dir / args.run,
        args.photographs,
        args.out,
        strength=args.strength,
        compare=args.compare,
        dry_run=args.dry_run,
    )


def export(args: argparse.Namespace) -> None:
    """writes the trained generator as SavedModel, ONNX and TFLite, and checks each"""
    from train.stages import export_run

    export_run(*places(args), args.formats, dry_run=args.dry_run)


def compare(args: argparse.Namespace) -> None:
    """puts several evaluated runs into one table and one page"""
    from train.report.compare import compare as compare_runs

    data, out_dir = DataFolder(args.data_dir), args.runs_dir / f"comparison-{'-'.join(args.runs)}"
    print(f"{', '.join(args.runs)} into {out_dir}")
    if not args.dry_run:
        run_dirs = [args.runs_dir / run for run in args.runs]
        print(f"report: {compare_runs(run_dirs, data.sharp, data.blurred, out_dir)}")


def run_all(args: argparse.Namespace) -> None:
    """dataset, train and evaluate in this order, each only where something is missing"""
    settings = settings_from(args, PRESETS[args.preset])  # a bad flag is told before a download
    names = [blur.name for blur in blurs_from(args)]
    dataset(args)
    if args.dry_run:
        show_settings(settings)
        return
    on_these_sets = argparse.Namespace(**vars(args) | {"kernel": names, "radius": []})
    train(on_these_sets)
    evaluate(on_these_sets)


def demo(args: argparse.Namespace) -> None:
    """the whole chain offline: drawn portraits, pairs, a short training, evaluation, report"""
    run_all(args)


def clean_pairs(args: argparse.Namespace) -> None:
    """removes the sharp and blurred folders and their records, never originals or runs"""
    data = DataFolder(args.data_dir)
    for path in (data.sharp, data.blurred, data.manifest, data.rejected):
        if path.exists():
            print(f"removing {path}")
            if args.dry_run:
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def places(args: argparse.Namespace) -> tuple[Path, DataFolder]:
    """The folder of the run, and the data folder."""
    return args.runs_dir / args.run, DataFolder(args.data_dir)


def show_settings(*settings: Any) -> None:
    """Prints every setting of dataclasses, a line each."""
    for chosen in settings:
        print(type(chosen).__name__)
        for field in fields(chosen):
            print(f"  {field.name} = {getattr(chosen, field.name)}")


def add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", choices=PRESETS, default="sharp", help="recipe to start from")
    add_settings(parser, TrainSettings, leave_out=("seed",))


def add_sets(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument(
        "--kernel",
        nargs="+",
        default=argparse.SUPPRESS,
        help=f"names of the blurred sets {text}, or patterns as wild-*",
    )
    add_radius(parser, f"radii of discs {text}; short for their names")


def build_parser() -> Parser:
    """The command line, subcommand by subcommand."""
    parser = Parser(prog="pipeline.py", description=__doc__.splitlines()[0])
    subcommands = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")

    def add(run: Callable, name: str = "", with_run: bool = True) -> Parser:
        command = subcommands.add_parser(
            name or run.__name__, help=run.__doc__, description=run.__doc__
        )
        command.set_defaults(run_stage=run)
        command.add_argument("--data-dir", type=Path, default=Path("data"), help="photographs")
        if with_run:
            command.add_argument(
                "--runs-dir", type=Path, default=Path("tf_checkpoints"), help="training runs"
            )
            command.add_argument("--run", default="run-01", help="name of the run")
        command.add_argument("--seed", type=parse_seed, default=0, help="of all that is drawn")
        command.add_argument("--dry-run", action="store_true", help="say what would be done")
        return command

    add_dataset(add(dataset, with_run=False))
    add_blur(add(blur, with_run=False))
    command = add(train)
    add_sets(command, "to train one network on (default: the only one there is)")
    add_train(command)
    add_sets(add(evaluate), "to score on (default: those of the training)")
    add_sets(add(report), "to report on (default: all that were evaluated)")
    command = add(deblur)
    command.add_argument("photographs", type=Path, nargs="+", help="files or folders")
    command.add_argument("--out", type=Path, required=True, help="folder of the results")
    text = "0 leaves a photograph as it is, 1 restores"
    command.add_argument("--strength", type=parse_share, default=1.0, help=text)
    text = "also write before and after side by side"
    command.add_argument("--compare", action="store_true", help=text)
    command = add(export)
    text = "to write (default: all)"
    command.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS, help=text)
    command = add(compare)
    command.add_argument("--with", dest="runs", nargs="+", required=True, help="names of the runs")
    command = add(run_all, "all")
    add_dataset(command)
    add_train(command)
    command = add(demo)
    add_dataset(command, num_images=60)
    add_train(command)
    command.set_defaults(**DEMO)
    add(clean_pairs, "clean-pairs", with_run=False)
    return parser


def interrupt(*_: object) -> NoReturn:
    """Lets SIGTERM end a stage as Ctrl-C does."""
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one subcommand; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # names that the terminal cannot show
    args = build_parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, interrupt)
    warnings.filterwarnings("ignore", module="PIL")
    try:
        args.run_stage(args)
        sys.stdout.flush()
    except BrokenPipeError:  # who reads has had enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except SettingError as error:
        print(f"error: {in_words_of_flags(error)}", file=sys.stderr)
        return 2
    except (PrepareError, TrainError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
