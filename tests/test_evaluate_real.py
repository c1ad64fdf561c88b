"""Scores on real pairs, with functions in place of networks, and the command from end to end."""

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.pair_files import photo_u8, tree, write_matched_folders
from helpers.runs import IDS, run
from PIL import Image
from scipy.ndimage import gaussian_filter

import pipeline
from train.evaluation.evaluate_real import PANEL_PX, evaluate_real, sheet, summary_of
from train.evaluation.folder import begin
from train.evaluation.real_pairs import find_real_pairs
from train.report.real_page import write_real_report

CONTEXT = {"kernel": "real-pairs", "folder": "pairs", "step": 7, "weights": "a", "seed": 0}
EXAMPLES = Path(__file__).parents[2] / "shared" / "real" / "pairs"


def write_pairs(folder: Path, names=("a", "b", "c"), side: int = 64) -> Path:
    """Sharp pictures and blurred copies; of the first, only the upper half is to be scored."""
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        sharp = photo_u8(number, side, side + 5)
        Image.fromarray(sharp).save(folder / f"{name}_sharp.png")
        Image.fromarray(gaussian_filter(sharp, (2, 2, 0))).save(folder / f"{name}_blurred.png")
    mask = np.zeros((side, side + 5), np.uint8)
    mask[: side // 2] = 255
    Image.fromarray(mask).save(folder / f"{names[0]}_mask.png")
    return folder


@pytest.fixture(scope="module")
def pairs_dir(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("real") / "pairs")


def score(pairs_dir: Path, folder: Path, restore=lambda picture: picture) -> dict:
    return evaluate_real(restore, find_real_pairs(pairs_dir), folder, CONTEXT)


def test_doing_nothing_gains_nothing_and_keeps_all(pairs_dir, tmp_path):
    result = score(pairs_dir, tmp_path)
    assert result["rows"]["restored"] == result["rows"]["blurred"]
    assert result["rows"]["restored"]["ripples"] == 0
    assert result["gains"]["blurred"]["psnr_db"] == 0
    assert result["rows"]["sharp_kept"]["psnr_db"] == result["real"]["sharp_kept_lowest_db"] == 100
    assert result["real"]["psnr_db"] == {"share_better": 0, "worst_gain": 0, "worst": "a"}
    with (tmp_path / "per_image.csv").open(newline="") as file:
        shares = [float(row["share_scored"]) for row in csv.DictReader(file)]
    assert shares == [0.5, 1, 1]


def test_worst_is_told_and_what_lies_outside_the_mask_is_not(pairs_dir, tmp_path):
    def restore(picture: np.ndarray) -> np.ndarray:
        """Perfect on `a` where it counts, wrong elsewhere; 20 levels off on all others."""
        for name in "abc":
            blurred, sharp = (
                np.asarray(Image.open(pairs_dir / f"{name}_{part}.png"))
                for part in ("blurred", "sharp")
            )
            if np.array_equal(picture, blurred) and name == "a":
                return np.concatenate([sharp[:32], 255 - sharp[32:]])
        return np.where(picture > 127, picture - 20, picture + 20)

    result = score(pairs_dir, tmp_path, restore)
    assert result["real"]["psnr_db"]["share_better"] == pytest.approx(1 / 3)
    assert result["real"]["psnr_db"]["worst_gain"] < -3
    assert result["real"]["sharp_kept_lowest_db"] == pytest.approx(22.11, abs=0.01)  # 20 levels
    assert "better in 33%" in summary_of(result)
    with (tmp_path / "per_image.csv").open(newline="") as file:
        assert float(next(csv.DictReader(file))["restored_psnr_db"]) == 100


def test_stopped_evaluation_goes_on(pairs_dir, tmp_path):
    whole, calls = score(pairs_dir, tmp_path / "whole"), []

    def stopped(picture):
        calls.append(0)
        if len(calls) == 4:  # the second half of the second pair
            raise KeyboardInterrupt
        return picture

    with pytest.raises(KeyboardInterrupt):
        score(pairs_dir, tmp_path / "resumed", stopped)
    assert not (tmp_path / "resumed" / "metrics.json").exists()
    calls.extend([0] * 10)
    resumed = score(pairs_dir, tmp_path / "resumed", stopped)
    assert len(calls) == 4 + 10 + 4
    assert resumed["rows"] == whole["rows"]
    assert begin(tmp_path / "new").is_dir()


def test_page_holds_every_sheet_and_needs_nothing_else(pairs_dir, tmp_path):
    score(pairs_dir, tmp_path / "evaluation" / "real-pairs")
    page = write_real_report(tmp_path, tmp_path / "evaluation" / "real-pairs").read_text()
    links = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert all(link.startswith("data:") for link in links)
    assert page.count("data:image/") == 3
    assert 'REAL="pairs"' in page


def test_sheet_of_a_large_picture_shows_what_changed_most_as_it_is():
    blurred = np.full((700, 900, 3), 100, np.uint8)
    restored = blurred.copy()
    restored[600:640, 800:840] = 200
    scored = np.ones((700, 900), bool)
    drawn = sheet(blurred, restored, blurred, scored)
    assert drawn.shape == (round(700 * PANEL_PX / 900) + PANEL_PX, 3 * PANEL_PX, 3)
    detail = drawn[-PANEL_PX:, PANEL_PX : 2 * PANEL_PX]
    assert np.count_nonzero((detail == 200).all(-1)) == 40 * 40


# The command.


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    write_matched_folders(folder / "data", IDS)
    run(folder / "runs" / "run-01", folder / "data", steps=2, gan_weight=0)
    return folder


def command(folder: Path, *words: str) -> int:
    where = ["--data-dir", str(folder / "data"), "--runs-dir", str(folder / "runs")]
    return pipeline.main([words[0], *where, *words[1:]])


def test_real_pairs_need_no_data_folder_and_are_compared(trained, pairs_dir, tmp_path, capsys):
    folder = shutil.copytree(trained, tmp_path / "folder")
    shutil.rmtree(folder / "data")
    shutil.copytree(folder / "runs" / "run-01", folder / "runs" / "run-02")
    for name in ("run-01", "run-02"):
        assert command(folder, "evaluate", "--run", name, "--real", str(pairs_dir)) == 0
    evaluation = folder / "runs" / "run-01" / "evaluation"
    assert {"metrics.json", "per_image.csv", "report.html"} <= set(tree(evaluation / "real-pairs"))
    assert not [path for path in tree(evaluation) if path.startswith(".un")]
    assert "sharp kept" in capsys.readouterr().out
    assert command(folder, "report") == 0
    assert command(folder, "compare", "--with", "run-01", "run-02") == 0
    page = folder / "runs" / "comparison-run-01-run-02" / "comparison.html"
    assert "3 real pairs" in page.read_text()


def test_sets_beside_real_pairs_link_to_them(trained, pairs_dir, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "folder")
    words = ("evaluate", "--kernel", "disc-r30", "--real", str(pairs_dir))
    assert command(folder, *words) == 0
    evaluation = folder / "runs" / "run-01" / "evaluation"
    page = (evaluation / "disc-r30" / "report.html").read_text()
    assert 'href="../real-pairs/report.html"' in page
    assert "ripples" in page
    curve = json.loads((evaluation / "curve.json").read_text())
    assert [point["kernel"] for each in curve["curves"] for point in each["points"]] in (
        [],
        ["disc-r30"],
    )


def test_a_set_and_real_pairs_never_share_an_evaluation(trained, pairs_dir, tmp_path, capsys):
    folder = shutil.copytree(trained, tmp_path / "folder")
    shutil.copytree(  # pictures blurred elsewhere, which may have any name
        folder / "data" / "blurred_resized" / "disc-r30",
        folder / "data" / "blurred_resized" / "real-pairs",
        ignore=shutil.ignore_patterns("*.json"),
    )
    evaluation = folder / "runs" / "run-01" / "evaluation"
    of_set, of_pairs = ("--kernel", "real-pairs"), ("--real", str(pairs_dir))
    assert command(folder, "evaluate", *of_set, *of_pairs) == 1
    assert not evaluation.exists()
    for first, second in ((of_set, of_pairs), (of_pairs, of_set)):
        assert command(folder, "evaluate", *first) == 0
        before = (evaluation / "real-pairs" / "metrics.json").read_bytes()
        capsys.readouterr()
        assert command(folder, "evaluate", *second) == 1
        assert "rename the folder pairs of the pairs" in capsys.readouterr().err
        assert (evaluation / "real-pairs" / "metrics.json").read_bytes() == before
        shutil.rmtree(evaluation)
    assert command(folder, "evaluate", *of_pairs) == 0
    (evaluation / "real-pairs" / "metrics.json").write_text("damaged")  # of pairs or of a set
    assert command(folder, "evaluate", *of_pairs) == 0


@pytest.mark.parametrize("what", ["folder", "run", "size"])
def test_what_is_wrong_is_one_line(trained, pairs_dir, tmp_path, capsys, what):
    real = shutil.copytree(pairs_dir, tmp_path / "pairs")
    words = {"folder": str(tmp_path / "none")}.get(what, str(real))
    if what == "size":
        Image.fromarray(photo_u8(0, 30)).save(real / "c_sharp.png")
    chosen = ["--run", "none"] if what == "run" else []
    assert command(trained, "evaluate", "--real", words, *chosen) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert said[0].startswith("error: ")
    assert not (trained / "runs" / "run-01" / "evaluation").exists()


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="needs real pairs, which are not the project's")
def test_blur_of_real_pairs_is_scored_below_the_truth(tmp_path):
    real = tmp_path / "pairs"
    real.mkdir()
    for path in EXAMPLES.glob("face_07_woman_*"):
        shutil.copy(path, real)
    result = score(real, tmp_path / "evaluation")
    assert result["rows"]["blurred"]["psnr_db"] == pytest.approx(26.8, abs=0.2)
    assert result["real"]["num_not_aligned"] == 0
