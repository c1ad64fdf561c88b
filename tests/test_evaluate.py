"""Scoring a run, with functions in place of networks."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from prepare.records.blur import LensBlur, OutputSettings
from prepare.records.sets import KernelRecord
from train.dataset import Pairs, write_picture
from train.evaluation.bootstrap import mean_with_ci95
from train.evaluation.evaluate import evaluate
from train.evaluation.metrics import SCORES
from train.report.radius_curve import write_curve

KERNEL = KernelRecord(LensBlur(30.0), OutputSettings(size=64))


def record_of(radius_px, output=KERNEL.output) -> KernelRecord:
    return KernelRecord(LensBlur(radius_px), output)


def pairs_in(folder: Path, num_images: int, seed: int) -> Pairs:
    rng = np.random.default_rng(seed)
    paths: dict[str, list[str]] = {"sharp": [], "blurred": []}
    ids = tuple(f"image-{seed}-{i}" for i in range(num_images))
    for image_id in ids:
        sharp = gaussian_filter(rng.uniform(0, 255, (64, 64, 3)), (1, 1, 0))
        sharp = (255 * (sharp - sharp.min()) / np.ptp(sharp)).astype(np.uint8)
        for name, picture in (("sharp", sharp), ("blurred", gaussian_filter(sharp, (1, 1, 0)))):
            path = folder / name / f"{image_id}.jpg"
            write_picture(path, picture)
            paths[name].append(str(path))
    return Pairs(ids, tuple(paths["sharp"]), (tuple(paths["blurred"]),), 64)


def evaluate_in(tmp_path: Path, restore=lambda blurred: blurred, record=KERNEL, **context) -> dict:
    context = {"kernel": "disc-r30", "step": 7, "seed": 0} | context
    folder = tmp_path / "evaluation" / context["kernel"]
    test, tuning = pairs_in(tmp_path, 4, 1), pairs_in(tmp_path, 2, 2)
    return evaluate(restore, test, tuning, folder, record, context)


def test_scores_every_method_with_intervals(tmp_path: Path) -> None:
    result = evaluate_in(tmp_path)
    assert list(result["rows"]) == [
        "blurred",
        "restored",
        "richardson_lucy",
        "wiener",
        "unsharp_mask",
    ]
    for row in result["rows"].values():
        for name in SCORES:
            low, high = row[f"{name}_ci95"]
            assert low <= row[name] <= high
    folder = tmp_path / "evaluation" / "disc-r30"
    assert json.loads((folder / "metrics.json").read_text()) == result
    with (folder / "per_image.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["id"] for row in table] == [f"image-1-{i}" for i in range(4)]
    mean = np.mean([float(row["wiener_haarpsi"]) for row in table])
    assert mean == pytest.approx(result["rows"]["wiener"]["haarpsi"])
    assert len(list((folder / "restored").glob("*.png"))) == 4


def test_doing_nothing_gains_nothing(tmp_path: Path) -> None:
    result = evaluate_in(tmp_path)
    assert result["rows"]["restored"] == result["rows"]["blurred"]
    assert result["gains"]["blurred"]["psnr_db"] == 0
    assert result["gains"]["blurred"]["psnr_db_ci95"] == [0, 0]


def test_a_failing_restoration_stops_the_evaluation(tmp_path: Path) -> None:
    def restore(_blurred: np.ndarray) -> np.ndarray:
        raise OSError("out of memory")

    with pytest.raises(OSError, match="out of memory"):
        evaluate_in(tmp_path, restore)
    assert not (tmp_path / "evaluation" / "disc-r30" / "metrics.json").exists()


def test_the_interval_covers_the_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(60):
        _, (low, high) = mean_with_ci95(rng.normal(3, 1, 40), seed=trial)
        covered += low <= 3 <= high
    assert covered >= 51
    assert mean_with_ci95([2.0], 0) == (2.0, [2.0, 2.0])


def test_the_curve_joins_evaluations_of_one_step(tmp_path: Path) -> None:
    for radius, step in ((30.0, 7), (10.0, 7), (20.0, 5)):
        kernel = f"disc-r{radius:g}"
        evaluate_in(tmp_path, kernel=kernel, step=step, record=record_of(radius))
    evaluate_in(tmp_path, kernel="any", record=record_of((10.0, 40.0)))
    content = write_curve(tmp_path / "evaluation", ["disc-r30"])
    assert json.loads((tmp_path / "evaluation" / "curve.json").read_text()) == content
    (curve,) = content["curves"]
    assert [point["radius_px"] for point in curve["points"]] == [10, 30]
    assert content["trained"] == ["disc-r30"]


def test_a_curve_tells_what_differs_from_a_plain_blur(tmp_path: Path) -> None:
    evaluate_in(tmp_path, record=record_of(30.0, OutputSettings()))
    (curve,) = write_curve(tmp_path / "evaluation", [])["curves"]
    assert curve["blur"] == {}
