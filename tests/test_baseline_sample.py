"""Classical methods on a sample of the test images, and everything that reads such scores."""

import csv
import os
import random
from pathlib import Path

import numpy as np
import pytest
from helpers.evaluated import Restoration
from helpers.pair_files import write_matched_folders

from prepare.records.blur import LensBlur, OutputSettings
from prepare.records.jsonl import read_table
from prepare.records.sets import KernelRecord
from train.dataset import find_pairs, read_split
from train.evaluation import ALL, SAMPLE, SAMPLE_SIZE
from train.evaluation import baselines as baseline_sample
from train.evaluation.baselines import baseline_ids
from train.evaluation.evaluate import evaluate, table_of
from train.report.compare import compare
from train.report.page import write_report

NAME, KERNEL = "disc-r30", KernelRecord(LensBlur(30.0), OutputSettings(size=64))
IDS = [f"{number:05d}" for number in range(1000)]
CLASSICAL = ("richardson_lucy", "wiener", "unsharp_mask")


def test_a_sample_is_of_the_ids_alone_and_grows_with_few_changes() -> None:
    sample = baseline_ids(IDS)
    assert len(sample) == SAMPLE_SIZE
    assert sample <= set(IDS)
    shuffled = random.Random(0).sample(IDS, len(IDS))
    assert baseline_ids(shuffled) == sample
    assert baseline_ids(IDS, ALL) == set(IDS)
    assert baseline_ids(IDS[:SAMPLE_SIZE]) == set(IDS[:SAMPLE_SIZE])
    most = baseline_ids(IDS[:900])
    assert most & set(IDS) >= sample & set(IDS[:900])
    low = sum(1 for image_id in sample if image_id < "00500")
    assert 30 < low < 70


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return write_matched_folders(tmp_path_factory.mktemp("data"), [f"{n:02d}" for n in range(30)])


@pytest.fixture
def sample_of_two(monkeypatch):
    """Two of the six test images; one thread, so that what is done when is known."""
    monkeypatch.setattr(baseline_sample, "SAMPLE_SIZE", 2)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)


def score(data_dir: Path, folder: Path, restore: Restoration, baselines: str) -> dict:
    split = read_split(data_dir / "manifest.jsonl")
    sharp_dir, blurred_dir = data_dir / "not_blurred_resized", data_dir / "blurred_resized" / NAME
    test, tuning = (find_pairs(split[side], sharp_dir, [blurred_dir]) for side in ("test", "train"))
    context = {"kernel": NAME, "step": 7, "seed": 0}
    return evaluate(restore, test, tuning, folder, KERNEL, context, baselines)


def scores_of(content: dict) -> dict:
    return {name: value for name, value in content.items() if name not in ("seconds", "date")}


@pytest.mark.usefixtures("sample_of_two")
def test_only_the_sample_is_scored_by_classical_methods_and_it_is_said(data_dir, tmp_path):
    of_all = score(data_dir, tmp_path / "all", Restoration(), ALL)
    content = score(data_dir, tmp_path / "sample", Restoration(), SAMPLE)
    assert content["sample"]["num_images"] == 2
    assert content["sample"]["rows"] == list(CLASSICAL)
    assert "sample" not in of_all
    with (tmp_path / "all" / "per_image.csv").open(newline="") as file:
        whole = {row["id"]: row for row in csv.DictReader(file)}
    table = read_table(tmp_path / "sample" / "per_image.csv", ["restored_ssim"], "")
    sampled = [row["id"] for row in table if "wiener_ssim" in row]
    assert sampled == [image_id for image_id in whole if image_id in baseline_ids(list(whole))]
    for row in table:
        assert row.items() >= {("blurred_psnr_db", float(whole[row["id"]]["blurred_psnr_db"]))}
    for name in ("blurred", "restored"):
        assert content["rows"][name] == of_all["rows"][name]
    for name in CLASSICAL:
        values = [float(whole[image_id][f"{name}_psnr_db"]) for image_id in sampled]
        assert content["rows"][name]["psnr_db"] == pytest.approx(np.mean(values))
        assert content["rows"][name]["num_images"] == 2
        own = [float(whole[image_id]["restored_psnr_db"]) for image_id in sampled]
        gain = np.mean(own) - np.mean(values)
        assert content["gains"][name]["psnr_db"] == pytest.approx(gain)
    assert table_of(content).count("(on 2 images, there restored has ") == 3
    assert "images" not in table_of(of_all)


@pytest.mark.usefixtures("sample_of_two")
@pytest.mark.parametrize(("first", "then"), [(SAMPLE, ALL), (ALL, SAMPLE)])
def test_stopped_with_one_choice_goes_on_with_the_other(data_dir, tmp_path, first, then):
    whole = score(data_dir, tmp_path / "whole", Restoration(), then)
    with pytest.raises(KeyboardInterrupt):
        score(data_dir, tmp_path / "resumed", Restoration(stop_after=4), first)
    rest = Restoration()
    resumed = score(data_dir, tmp_path / "resumed", rest, then)
    assert scores_of(resumed) == scores_of(whole)
    assert rest.num_calls == 6 - 4
    one, other = (tmp_path / folder / "per_image.csv" for folder in ("whole", "resumed"))
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.usefixtures("sample_of_two")
def test_report_and_comparison_cope_and_say_how_many(data_dir, tmp_path):
    run_dirs = [tmp_path / name for name in ("run-01", "run-02")]
    for run_dir in run_dirs:
        score(data_dir, run_dir / "evaluation" / NAME, Restoration(), SAMPLE)
    sharp_dir, blurred_root = data_dir / "not_blurred_resized", data_dir / "blurred_resized"
    page = write_report(
        run_dirs[0], run_dirs[0] / "evaluation" / NAME, sharp_dir, blurred_root / NAME
    ).read_text()
    assert page.count("on 2 images, where restored has ") == 3
    assert "are of 2 of the 6 images" in page
    assert compare(run_dirs, sharp_dir, blurred_root, tmp_path / "comparison").exists()
