"""The network in the box: small, whole, and what its card says."""

import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
from helpers.pair_files import ROOT

import pipeline
from prepare.blur.lens_blur import blur_and_reduce, reduce_photo
from prepare.drawing.sample import sample_picture
from prepare.records.blur import LensBlur
from train.checkpoints import load_generator, restore_picture, weights_sha256
from train.evaluation.metrics import psnr_db
from train.restore.engine import open_engine
from train.restore.restore import restore
from train.run import Run, find_run
from train.settings import PRESETS

BOX_DIR = pipeline.PRETRAINED_DIR
CARD = (BOX_DIR / "README.md").read_text()
CHECKED = {"index": 1000, "seed": 1}  # of a portrait that it was not trained on
SIZE = 256


def test_it_is_small_and_its_card_names_its_weights():
    parts = [path for path in BOX_DIR.rglob("*") if path.is_file()]
    kept = [path for path in parts if "evaluation" not in path.parts]
    assert sum(path.stat().st_size for path in kept) < 10e6
    generator, step, record = load_generator(BOX_DIR)
    assert weights_sha256(generator) in CARD
    assert f"{step} steps" in CARD
    assert record.content["size"] == SIZE


def test_it_restores_where_nothing_is_trained_and_without_tensorflow(tmp_path, monkeypatch):
    for name in (None, "pretrained"):
        assert find_run(tmp_path, name, BOX_DIR).path == BOX_DIR
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # cannot be imported
    shutil.copytree(BOX_DIR, tmp_path / "box", copy_function=shutil.copyfile)  # as a clone has it
    assert open_engine(Run(tmp_path / "box")).radii_px.size


def test_a_checked_picture_comes_back_as_well_as_the_card_says():
    photo = sample_picture(**CHECKED)
    sharp = reduce_photo(photo, SIZE)
    (blurred,) = blur_and_reduce(photo, [LensBlur(30, linear=True)], SIZE, "checked")
    told = re.search(r"drawn portrait of (\d+\.\d+) dB comes back at (\d+\.\d+)", CARD)
    restored, _ = restore(open_engine(Run(BOX_DIR)), blurred)
    values = [psnr_db(picture, sharp) for picture in (blurred, restored)]
    np.testing.assert_allclose(values, [float(value) for value in told.groups()], atol=0.02)
    whole = restore_picture(load_generator(BOX_DIR)[0], blurred)  # by the checkpoint alone
    assert abs(psnr_db(whole, sharp) - values[1]) < 0.5


def test_its_recipe_is_what_make_runs():
    done = subprocess.run(["make", "-n", "pretrained"], cwd=ROOT, capture_output=True, text=True)
    recipe = done.stdout.replace("\\\n", " ")
    calls = re.findall(r"^\.venv/bin/python pipeline\.py (.*)$", recipe, re.MULTILINE)
    parsed = [pipeline.build_parser().parse_args(shlex.split(call)) for call in calls]
    assert [args.subcommand for args in parsed] == ["dataset", "blur", "train", "export"]
    drawing, blurring, training, _ = parsed
    record = load_generator(BOX_DIR)[2]
    assert len(record.kernels) == blurring.draws
    assert record.preset == training.preset
    assert record.settings.start == PRESETS[training.preset].start
    for name in ("channels", "steps", "sample_every"):
        assert getattr(record.settings, name) == getattr(training, name)
    assert f"{drawing.num_images} pictures" in CARD
