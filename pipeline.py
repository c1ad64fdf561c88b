"""Makes data sets, trains networks, and restores photographs; one subcommand per step.

Every stage is one function of `prepare` or `train`. Only the subcommand that needs it imports it,
so that `--help` is instant.
"""

import argparse
import io
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from prepare import PrepareError
from prepare.command_line import (
    Parser,
    UsageError,
    add_blur,
    add_dataset,
    add_sets,
    add_settings,
    described,
    in_words_of_flags,
    in_words_of_make,
    in_words_of_program,
    parse_limits,
    parse_share,
    read_makeflags,
    sets_from,
    sets_to_make,
    settings_from,
    split_variables,
    whole_number,
    words_from_variables,
)
from prepare.ffhq.metadata import FfhqSettings
from prepare.records import PROGRAM
from prepare.records.data_folder import DataFolder
from prepare.records.settings import SettingError
from train import TrainError
from train.devices import heeded_signals
from train.evaluation import ALL, SAMPLE, SAMPLE_SIZE
from train.run import PRETRAINED_DIR, find_run, plan_start
from train.settings import PRESETS, TrainSettings
from train.studio import FIRST_PORT

KINDS = ("savedmodel", "onnx", "tflite", "run")
DEMO = {
    "run": "demo",
    "preset": "demo",
    "data_dir": Path("data/demo"),
    "runs_dir": Path("tf_checkpoints/demo"),
}
RESTORED = Path(os.environ.get("TYPED_IN", ""), "restored")  # where make was called, as other paths
HELP_OF_OUT = "folder of the results (default: restored)"
DEVICES = ("auto", "cpu", "gpu", "rocm")  # behind make, the last two also say what is set up
SCORED = {"real": None, "baselines": "sample"}  # of `all` and `demo`


def dataset(args: argparse.Namespace) -> None:
    """collects originals and makes pairs of sharp and blurred pictures"""
    from prepare.dataset import make_dataset, make_parts_on_ray
    from prepare.sources import FFHQ_SOURCES, SourceSettings

    host = args.source if args.source in FFHQ_SOURCES else FfhqSettings.source
    ffhq = settings_from(args, FfhqSettings(), source=host)
    seed = getattr(args, "seed", 0)
    wanted = SourceSettings(args.source, args.num_images, args.from_dirs, args.keep, seed, ffhq)
    sets = sets_to_make(args)
    if args.dry_run:
        print(described(wanted, ffhq, sets.output, *sets.blurs))
    data = DataFolder(args.data_dir, args.part)
    if args.engine == "ray" and not args.dry_run:
        make_parts_on_ray(data, wanted, sets)
    make_dataset(data, wanted, sets, dry_run=args.dry_run)


def blur(args: argparse.Namespace) -> None:
    """makes more blurred sets from the same originals"""
    from prepare.dataset import make_blurred_sets

    sets = sets_to_make(args)
    if args.dry_run:
        print(described(sets.output, *sets.blurs))
    make_blurred_sets(DataFolder(args.data_dir), sets, dry_run=args.dry_run)


def train(args: argparse.Namespace) -> None:
    """trains a run, or continues it"""
    sets = sets_from(args)
    plan = plan_start(args.runs_dir, args.run, PRETRAINED_DIR, vars(args))
    if args.dry_run:
        print(described(plan.settings))
    from train.stages import train_run

    train_run(plan, DataFolder(args.data_dir), sets, dry_run=args.dry_run)


def evaluate(args: argparse.Namespace) -> None:
    """scores a run on its test images and writes a report page"""
    from train.stages import evaluate_run

    sets, wanted = sets_from(args), {"real_dir": args.real, "baselines": args.baselines}
    evaluate_run(*places(args), sets, **wanted, dry_run=args.dry_run)


def report(args: argparse.Namespace) -> None:
    """writes the report page again, without evaluating"""
    from train.stages import report_run

    report_run(*places(args), sets_from(args), dry_run=args.dry_run)


def deblur(args: argparse.Namespace) -> None:
    """restores photographs of any size and blur"""
    from train.restore.photographs import Wanted, deblur_photographs, plan

    run = args.runs_dir, args.run, PRETRAINED_DIR
    wanted = Wanted(args.strength, args.detail, args.blur, args.mask, args.again, args.device)
    targets = plan(args.photographs, args.out, args.compare, args.map, wanted)
    deblur_photographs(run, targets, args.out, wanted, dry_run=args.dry_run)


def studio(args: argparse.Namespace) -> None:
    """opens a page for this machine's browser: blur with a preview, restore, runs"""
    from prepare.pictures import preview
    from train.studio import Places
    from train.studio.server import serve

    data, runs = DataFolder(args.data_dir), (args.runs_dir, args.run, PRETRAINED_DIR)
    serve(Places(Path(__file__), data, runs, args.out, preview), args.port, dry_run=args.dry_run)


def export(args: argparse.Namespace) -> None:
    """writes the generator as SavedModel, ONNX and TFLite, and checks each file"""
    from train.stages import export_run

    export_run(*places(args), args.formats, dry_run=args.dry_run)


def compare(args: argparse.Namespace) -> None:
    """compares evaluated runs in one table and on one page"""
    from train.stages import compare_runs

    compare_runs(args.runs_dir, args.runs, DataFolder(args.data_dir), dry_run=args.dry_run)


def run_all(args: argparse.Namespace) -> None:
    """runs dataset, train and evaluate, each only if something is missing"""
    names = [blur.name for blur in sets_to_make(args).blurs]
    # Before a download, so that a bad flag is reported at once.
    plan = plan_start(args.runs_dir, args.run, PRETRAINED_DIR, vars(args))
    dataset(args)
    if args.dry_run:
        print(described(plan.settings))
        return
    on_these_sets = argparse.Namespace(**vars(args) | {"kernel": names, "radius": []}, **SCORED)
    train(on_these_sets)
    evaluate(on_these_sets)


def demo(args: argparse.Namespace) -> None:
    """runs all steps offline: drawn pictures, pairs, a short training, evaluation, report"""
    run_all(args)


def clean_pairs(args: argparse.Namespace) -> None:
    """removes the sharp and blurred pictures and their records, never originals or runs"""
    from prepare.dataset import remove_pairs

    remove_pairs(DataFolder(args.data_dir), dry_run=args.dry_run)


def places(args: argparse.Namespace) -> tuple[Path, DataFolder]:
    """The folder of the run, and the data folder."""
    return find_run(args.runs_dir, args.run, PRETRAINED_DIR).path, DataFolder(args.data_dir)


def build_parser() -> Parser:
    """The command line, subcommand by subcommand; `commands` holds their parsers by name."""
    name = PROGRAM.replace("make", "python pipeline.py")
    text = (__doc__ or "").partition("\n")[0]  # none under `python -OO`
    parser = Parser(prog=name, description=text)
    subcommands = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")

    def add(run: Callable, name: str = "", with_run: bool = True) -> Parser:
        command = subcommands.add_parser(
            name or run.__name__, help=run.__doc__, description=run.__doc__
        )
        command.set_defaults(run_stage=run)
        command.add_argument("--data-dir", type=Path, default=Path("data"), help="data folder")
        if with_run:
            text = "folder of training runs"
            command.add_argument("--runs-dir", type=Path, default=Path("tf_checkpoints"), help=text)
            command.add_argument("--run", default="run-01", help="name of the run")
        text = "seed of everything random (default: 0)"
        command.add_argument("--seed", type=whole_number(0), default=argparse.SUPPRESS, help=text)
        command.add_argument("--dry-run", action="store_true", help="only print what would be done")
        return command

    add_dataset(add(dataset, with_run=False), with_part=True)
    add_blur(add(blur, with_run=False))
    command = add(train)
    add_sets(command, "to train one network on (default: those of the last dataset)")
    add_training(command)
    add_sets(command := add(evaluate), "to score on (default: of training, none with --real)")
    add_evaluate(command)
    add_sets(add(report), "to report on (default: all evaluated sets)")
    add_deblur(add(deblur))
    add_studio(add(studio))
    text = "formats to write (default: all except run)"
    add(export).add_argument("--formats", nargs="+", choices=KINDS, default=KINDS[:3], help=text)
    text = "names of runs (default: all evaluated runs)"
    add(compare).add_argument("--with", dest="runs", nargs="+", default=[], help=text)
    command = add(run_all, "all")
    add_dataset(command)
    add_training(command)
    add_dataset(command := add(demo), num_images=60, source="sample")
    add_training(command)
    command.set_defaults(**DEMO)
    add(clean_pairs, "clean-pairs", with_run=False)
    parser.commands = subcommands.choices
    return parser


def add_training(parser: Parser) -> None:
    """Adds the flags of a training, without defaults: an existing run has its own."""
    text = "recipe that the other settings change (default: sharp)"
    parser.add_argument("--preset", choices=PRESETS, default=argparse.SUPPRESS, help=text)
    add_settings(parser, TrainSettings)


def add_evaluate(parser: Parser) -> None:
    """Adds the flags for real pairs and for the classical methods."""
    text = "folder of real pairs: <name>_blurred.*, <name>_sharp.*, optionally <name>_mask.*"
    parser.add_argument("--real", type=Path, help=text)
    text = f"images for the classical methods: {SAMPLE_SIZE}, chosen by a hash of their ids, or all"
    parser.add_argument("--baselines", choices=(SAMPLE, ALL), default=SAMPLE, help=text)


def add_deblur(parser: Parser) -> None:
    """Adds the flags that choose what is restored and how."""
    parser.add_argument("photographs", type=Path, nargs="+", help="files or folders")
    parser.add_argument("--out", type=Path, default=RESTORED, help=HELP_OF_OUT)
    text = "share of the change that is made, from 0 to 1 (default: 1)"
    parser.add_argument("--strength", type=parse_share, default=1.0, help=text)
    text = "how crisp fine detail is made, from 0 to 1 (default: what gains on real photographs)"
    parser.add_argument("--detail", type=parse_share, default=None, metavar="auto", help=text)
    text = "blur radius in pixels of the photograph, such as 6, or a range, such as 4-9"
    parser.add_argument("--blur", type=parse_limits, default=None, metavar="auto", help=text)
    text = "picture of the same size, white where to restore; or a folder of such pictures by name"
    parser.add_argument("--mask", type=Path, help=text)
    text = "also restore results of this command"
    parser.add_argument("--again", action="store_true", help=text)
    text = "cpu: no accelerator of ONNX Runtime (default: the first, if it agrees with the CPU)"
    parser.add_argument("--device", choices=DEVICES, default="auto", help=text)
    text = "also write the photograph and the result side by side"
    parser.add_argument("--compare", action="store_true", help=text)
    parser.add_argument("--map", action="store_true", help="also write a map of the estimated blur")
    parser.set_defaults(run=None)  # the pretrained network


def add_studio(parser: Parser) -> None:
    """Adds the flags for the port of the page and the folder of its results."""
    text = f"port on 127.0.0.1 (default: {FIRST_PORT}, or a free one if that is taken)"
    parser.add_argument("--port", type=whole_number(1, 65535), help=text)
    parser.add_argument("--out", type=Path, default=RESTORED, help=HELP_OF_OUT)
    parser.set_defaults(run=None)  # the pretrained network


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one subcommand; returns the exit code.

    Variables as behind make may be among the arguments (`RUN=mine`). `--make TARGET` stands for the
    subcommand of that name with those that make was given.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names that a terminal cannot show
    words = sys.argv[1:] if arguments is None else list(map(str, arguments))
    from_make = words[:1] == ["--make"]
    words, variables = (words[1:], read_makeflags()) if from_make else split_variables(words)

    def failed(message: str, code: int = 1) -> int:
        message = in_words_of_make(message) if from_make or variables else message
        print(f"error: {in_words_of_program(message)}", file=sys.stderr)
        return code

    parser = build_parser()
    try:
        args = parser.parse_args(words_from_variables(parser.commands, words, variables))
    except UsageError as error:
        return failed(str(error), 2)
    for number in heeded_signals():
        signal.signal(number, signal.default_int_handler)  # all end a stage as Ctrl-C does
    warnings.filterwarnings("ignore", module="PIL")
    try:
        args.run_stage(args)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # as of SIGPIPE
    except SettingError as error:
        return failed(in_words_of_flags(error), 2)
    except (PrepareError, TrainError, OSError, MemoryError, ImportError) as error:
        reason = f"{error}; run `make setup`" if isinstance(error, ImportError) else str(error)
        if isinstance(error, MemoryError) or "failed to map" in reason:  # a library
            reason = "memory is full; close other programs, or raise its limit (`ulimit -v`)"
        return failed(reason)
    except KeyboardInterrupt as interrupt:
        place = f" at {interrupt}" if str(interrupt) else ""  # a training says its step
        print(f"interrupted{place}; the same command continues from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
