"""The pipeline's subcommands, and the only file that knows where things lie on disk.

Every stage is one function of `prepare` or `train`; it is imported by the subcommand that needs
it, so that `--help` is instant.
"""

import argparse
import json
import shutil
import signal
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from prepare import PrepareError
from prepare.arguments import add_blur, add_dataset, add_radius, blurs_of
from prepare.ffhq import IdsError
from prepare.ffhq_source import FfhqSettings
from prepare.flags import FlagError, Parser, add_settings, settings_from, share_of
from prepare.settings import PairSettings
from train import TrainError
from train.settings import PRESETS, SIZE_MULTIPLES, TrainSettings
from train.startup import load_tensorflow

FORMATS = ("savedmodel", "onnx", "tflite")

DEMO = {
    "run": "demo",
    "data_dir": Path("data/demo"),
    "runs_dir": Path("tf_checkpoints/demo"),
    "steps": 600,
    "sample_every": 100,
    "log_every": 20,
}


class Layout:
    """Where everything lies (the contract's tree)."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.data = args.data_dir
        self.originals = self.data / "originals"
        self.sharp = self.data / "not_blurred_resized"
        self.blurred = self.data / "blurred_resized"
        self.manifest = self.data / "manifest.jsonl"
        self.rejected = self.data / "rejected.jsonl"
        if hasattr(args, "run"):
            self.run_dir = args.runs_dir / args.run

    def blurred_dirs(self, kernels: Sequence[str]) -> list[Path]:
        """Folders of blurred sets that exist.

        Raises:
            TrainError: if one does not; names those that do.
        """
        for kernel in kernels:
            if not (self.blurred / kernel).is_dir():
                found = ", ".join(path.name for path in sorted(self.blurred.glob("*"))) or "none"
                radius = kernel.split("-r", 1)[-1]
                raise TrainError(
                    f"no blurred set {kernel} in {self.blurred} (found {found}); run "
                    f"`make blur RADIUS={radius}`"
                )
        return [self.blurred / kernel for kernel in kernels]


def dataset(args: argparse.Namespace) -> None:
    """gets originals and makes matched pairs"""
    from prepare import pairs, sources
    from prepare.folder import changed_photographs

    layout, blurs, settings = Layout(args), blurs_of(args), settings_from(args, PairSettings())
    sources.check_count(args.source, args.num_images)
    folders = pairs.PairFolders(layout.sharp, layout.blurred, layout.manifest, layout.rejected)
    sources.check_same_source(layout.manifest, args.source)
    pairs.claim_folders(folders, blurs, settings, dry_run=args.dry_run)
    have = pairs.complete_ids(folders, blurs)
    if args.source == "folder":
        have -= changed_photographs(
            args.from_dir,
            layout.originals / "folder",
            layout.manifest,
            have,
            folders.made_at_ns,
            relink=not args.dry_run,
        )
    ffhq = settings_from(args, FfhqSettings())
    num_missing = sources.count_missing(
        args.source, ffhq.ids, args.num_images, layout.manifest, have
    )
    print(f"{len(have)} pairs are there, {num_missing} to make")
    if not num_missing or args.dry_run:
        return
    originals = sources.originals_from(
        args.source,
        folder=args.from_dir,
        originals_dir=layout.originals,
        num_images=args.num_images,
        seed=args.seed,
        have=have,
        ffhq=ffhq,
        keep=args.keep,
    )
    num_made = pairs.write_pairs(
        originals,
        num_images=num_missing,
        blurs=blurs,
        folders=folders,
        settings=settings,
        workers=args.workers,
        depth_dir=args.depth_dir,
        drop_below=None if args.keep else layout.originals,
    )
    print(f"{num_made} pairs made, {len(have) + num_made} in {layout.data}")
    if num_made < num_missing:
        raise PrepareError(
            f"--num-images asks for {args.num_images}, but only {len(have) + num_made} photographs "
            f"could be used; the others are listed in {layout.rejected}; add photographs, or ask "
            f"for N={len(have) + num_made}"
        )


def blur(args: argparse.Namespace) -> None:
    """makes further blurred sets from the originals at hand"""
    from prepare import pairs, sources

    layout, blurs, settings = Layout(args), blurs_of(args), settings_from(args, PairSettings())
    folders = pairs.PairFolders(layout.sharp, layout.blurred, layout.manifest, layout.rejected)
    have = pairs.complete_ids(folders, blurs)
    originals = sources.originals_at_hand(layout.originals, layout.manifest, have)
    print(f"{len(originals)} blurred copies to make for {', '.join(each.name for each in blurs)}")
    pairs.claim_folders(folders, blurs, settings, dry_run=args.dry_run)
    if not originals or args.dry_run:
        return
    num_made = pairs.write_pairs(
        originals,
        num_images=len(originals),
        blurs=blurs,
        folders=folders,
        settings=settings,
        workers=args.workers,
        depth_dir=args.depth_dir,
        keep_sharp=True,
    )
    if num_made < len(originals):
        raise PrepareError(
            f"{len(originals) - num_made} of {len(originals)} originals could not be used (see "
            f"{layout.rejected}); bring them back, or run `make dataset` again"
        )


def train(args: argparse.Namespace) -> None:
    """trains a run, or goes on with it"""
    layout, settings = Layout(args), settings_from(args, PRESETS[args.preset])
    kernels = [each.name for each in blurs_of(args)]
    blurred_dirs = layout.blurred_dirs(kernels)
    if args.dry_run:
        return
    load_tensorflow()
    from train.dataset import find_pairs, read_split
    from train.loop import train as train_run

    split = read_split(layout.manifest)
    pairs = find_pairs(split["train"], layout.sharp, blurred_dirs)
    validation = find_pairs(split["validation"], layout.sharp, blurred_dirs)
    num_steps = settings.total_steps(len(pairs.ids))
    print(
        f"{args.run}: {len(pairs.ids)} training and {len(validation.ids)} validation images, "
        f"{num_steps} steps of {settings.batch}"
    )
    context = {"kernels": kernels, "size": pairs.size, "preset": args.preset}
    if not train_run(layout.run_dir, pairs, validation, settings, context):
        print(f"{layout.run_dir} is finished; EPOCHS and STEPS are totals, ask for more to go on")


def evaluate(args: argparse.Namespace) -> None:
    """scores a run on its test images and writes the report"""
    load_tensorflow()
    from train.checkpoints import load_generator, restore_picture
    from train.curve import write_curve
    from train.dataset import find_pairs, read_split
    from train.evaluate import evaluate as evaluate_run

    layout = Layout(args)
    generator, step, settings = load_generator(layout.run_dir)
    kernels = [each.name for each in blurs_of(args)] if hasattr(args, "radius") else []
    split = read_split(layout.manifest)
    evaluation_dirs = []
    for blurred_dir in layout.blurred_dirs(kernels or settings["kernels"]):
        pairs = find_pairs(split["test"], layout.sharp, [blurred_dir])
        tuning = find_pairs(split["train"], layout.sharp, [blurred_dir])
        print(f"{args.run}, step {step}: {len(pairs.ids)} test images of {blurred_dir.name}")
        if args.dry_run:
            continue
        blur = json.loads((blurred_dir / "kernel.json").read_text(encoding="utf-8"))
        context = {"kernel": blurred_dir.name, "step": step, "seed": settings["seed"], "blur": blur}
        evaluation_dirs.append(layout.run_dir / "evaluation" / blurred_dir.name)
        restore = partial(restore_picture, generator)
        metrics = evaluate_run(restore, pairs, tuning, evaluation_dirs[-1], context)
        for name, row in metrics["rows"].items():
            print(
                f"{name:15} {row['psnr_db']:6.2f} dB  SSIM {row['ssim']:.3f}  "
                f"HaarPSI {row['haarpsi']:.3f}"
            )
    if evaluation_dirs:
        write_curve(layout.run_dir / "evaluation", settings["kernels"])
    for evaluation_dir in evaluation_dirs:
        report_one(layout, evaluation_dir)


def report(args: argparse.Namespace) -> None:
    """writes the report again, without evaluating"""
    layout = Layout(args)
    metrics_paths = sorted((layout.run_dir / "evaluation").glob("*/metrics.json"))
    if not metrics_paths:
        raise TrainError(f"no evaluation of {args.run} yet; run `make evaluate RUN={args.run}`")
    for metrics_path in metrics_paths:
        report_one(layout, metrics_path.parent, dry_run=args.dry_run)


def report_one(layout: Layout, evaluation_dir: Path, dry_run: bool = False) -> None:
    """Writes one evaluation's page and says where it is."""
    from train.report import write_report

    if not dry_run:
        blurred_dir = layout.blurred / evaluation_dir.name
        write_report(layout.run_dir, evaluation_dir, layout.sharp, blurred_dir)
    print(f"report: {evaluation_dir / 'report.html'}")


def deblur(args: argparse.Namespace) -> None:
    """restores photographs of any size"""
    from train.deblur import deblur as deblur_files
    from train.deblur import plan

    planned = plan(args.photographs, args.out)
    load_tensorflow()
    from train.checkpoints import load_generator, restore_picture

    generator, step, settings = load_generator(Layout(args).run_dir)
    print(f"{args.run}, step {step}: {len(planned)} to restore into {args.out}")
    if not args.dry_run:
        restore = partial(restore_picture, generator)
        multiple = SIZE_MULTIPLES[settings["generator"]]
        deblur_files(restore, planned, multiple, strength=args.strength, compare=args.compare)


def export(args: argparse.Namespace) -> None:
    """writes the trained generator as SavedModel, ONNX and TFLite, and checks each"""
    load_tensorflow()
    from train.checkpoints import load_generator
    from train.dataset import find_pairs, read_split
    from train.export import export as export_generator
    from train.files import read_picture

    layout = Layout(args)
    generator, step, settings = load_generator(layout.run_dir)
    blurred_dirs = layout.blurred_dirs(settings["kernels"][:1])
    pairs = find_pairs(read_split(layout.manifest)["test"][:8], layout.sharp, blurred_dirs)
    out_dir = layout.run_dir / "export"
    print(f"{args.run}, step {step}: {', '.join(args.formats)} into {out_dir}")
    if not args.dry_run:
        pictures = [read_picture(path) for path in pairs.blurred[0]]
        export_generator(generator, out_dir, pictures, args.formats)


def compare(args: argparse.Namespace) -> None:
    """puts several evaluated runs into one table and one page"""
    from train.compare import compare as compare_runs

    layout = Layout(args)
    run_dirs = [args.runs_dir / run for run in args.runs]
    out_dir = args.runs_dir / f"comparison-{'-'.join(args.runs)}"
    print(f"{', '.join(args.runs)} into {out_dir}")
    if not args.dry_run:
        print(f"report: {compare_runs(run_dirs, layout.sharp, layout.blurred, out_dir)}")


def run_all(args: argparse.Namespace) -> None:
    """dataset, train and evaluate in this order, each only where something is missing"""
    for stage in (dataset, train, evaluate):
        stage(args)


def demo(args: argparse.Namespace) -> None:
    """the whole chain offline: drawn portraits, pairs, a short training, evaluation, report"""
    run_all(args)


def clean_pairs(args: argparse.Namespace) -> None:
    """removes the sharp and blurred folders and their records, never originals or runs"""
    layout = Layout(args)
    for path in (layout.sharp, layout.blurred, layout.manifest, layout.rejected):
        if path.exists():
            print(f"removing {path}")
            if args.dry_run:
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", choices=PRESETS, default="sharp", help="recipe to start from")
    add_settings(parser, TrainSettings, skip="seed")


def build_parser() -> Parser:
    """The command line, subcommand by subcommand."""
    parser = Parser(prog="pipeline.py", description=__doc__.splitlines()[0])
    subcommands = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")

    def add(run, name: str = "", with_run: bool = True) -> Parser:
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
        command.add_argument("--seed", type=int, default=0, help="of everything that is drawn")
        command.add_argument("--dry-run", action="store_true", help="say what would be done")
        return command

    add_dataset(add(dataset, with_run=False))
    add_blur(add(blur, with_run=False))
    command = add(train)
    add_radius(command, "radii of the sets to train on; several train one network on all")
    add_train(command)
    add_radius(add(evaluate), "radii of the sets to score on (default: those of the training)")
    add(report)
    command = add(deblur)
    command.add_argument("photographs", type=Path, nargs="+", help="files or folders")
    command.add_argument("--out", type=Path, required=True, help="folder of the results")
    command.add_argument(
        "--strength", type=share_of, default=1.0, help="0 leaves a photograph as it is, 1 restores"
    )
    command.add_argument(
        "--compare", action="store_true", help="also write before and after side by side"
    )
    command = add(export)
    command.add_argument(
        "--formats", nargs="+", choices=FORMATS, default=FORMATS, help="to write (default: all)"
    )
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
    args = build_parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, interrupt)
    warnings.filterwarnings("ignore", module="PIL")
    try:
        args.run_stage(args)
    except (FlagError, IdsError) as error:
        print(f"error: {error}", file=sys.stderr)
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
