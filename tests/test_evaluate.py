"""Scoring a run on sets and on real pairs: the numbers, and going on where it was stopped."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.evaluated import NAME, Restoration, evaluate_set
from helpers.pair_files import photo_u8, tree, write_matched_folders
from helpers.runs import IDS, run
from PIL import Image
from scipy.ndimage import gaussian_filter

import pipeline
from train import checkpoints
from train.evaluation import ALL, SAMPLE, baselines
from train.evaluation.baselines import baseline_ids
from train.evaluation.evaluate import PANEL_PX, evaluate, sheet, text_of
from train.evaluation.metrics import SCORES
from train.evaluation.real_pairs import find_real_pairs
from train.evaluation.results import curves_of

CLASSICAL = ["richardson_lucy", "wiener", "unsharp_mask"]
REAL = {"kernel": "real-pairs", "folder": "pairs", "step": 7, "weights": "a", "seed": 0}
EXAMPLES = Path(__file__).parents[2] / "shared" / "real" / "pairs"


def table_in(folder: Path) -> list[dict]:
    with (folder / "per_image.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def without_times(content: dict) -> dict:
    passing = {"seconds", "date", "hardware"}
    return {name: value for name, value in content.items() if name not in passing}


@pytest.fixture
def one_thread(monkeypatch):
    """So that what is done when is known."""
    monkeypatch.setattr(os, "cpu_count", lambda: 1)


# Sets.


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """Six of thirty images are for testing."""
    return write_matched_folders(
        tmp_path_factory.mktemp("data"), [f"{n:02d}" for n in range(29)] + ["=1+2"]
    )


@pytest.fixture(scope="module")
def whole(data_dir, tmp_path_factory):
    """An undisturbed evaluation: its folder, and what `metrics.json` is to hold."""
    folder = tmp_path_factory.mktemp("whole") / NAME
    return folder, evaluate_set(data_dir, folder, Restoration(), ALL)


def test_scores_every_method_with_intervals(whole):
    folder, content = whole
    assert list(content["rows"]) == ["blurred", "restored", *CLASSICAL]
    for row in content["rows"].values():
        assert list(row) == [each for name in SCORES for each in (name, f"{name}_ci95")]
        for name in SCORES:
            low, high = row[f"{name}_ci95"]
            assert low <= row[name] <= high
    table = table_in(folder)
    assert [row["id"] for row in table] == ["04", "09", "14", "19", "24", "'=1+2"]  # no formula
    mean = np.mean([float(row["wiener_haarpsi"]) for row in table])
    assert mean == pytest.approx(content["rows"]["wiener"]["haarpsi"])
    gain = np.mean([float(row["restored_ssim"]) - float(row["wiener_ssim"]) for row in table])
    assert gain == pytest.approx(content["gains"]["wiener"]["ssim"])
    assert len(list((folder / "restored").glob("*.png"))) == 6
    assert "sample" not in content


def test_doing_nothing_gains_nothing(data_dir, tmp_path):
    content = evaluate_set(data_dir, tmp_path / NAME)
    assert content["rows"]["restored"] == content["rows"]["blurred"]
    assert content["gains"]["blurred"]["psnr_db"] == 0
    assert content["gains"]["blurred"]["psnr_db_ci95"] == [0, 0]


@pytest.mark.usefixtures("one_thread")
def test_stopped_evaluation_goes_on_to_the_result_of_an_undisturbed_one(data_dir, whole, tmp_path):
    folder = tmp_path / NAME
    folder.mkdir()
    (folder / "metrics.json").write_text("of before")
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(KeyboardInterrupt):
        evaluate_set(data_dir, folder, Restoration(stop_after=4), ALL)
    assert not (folder / "metrics.json").exists()
    with (folder / "scores.jsonl").open("a") as file:
        file.write('{"id": "29", "su')  # torn, as a kill leaves it
    rest = Restoration()
    content = evaluate_set(data_dir, folder, rest, ALL)
    assert rest.num_calls == 6 - 4
    assert without_times(content) == without_times(whole[1])
    one, other = tree(folder), tree(whole[0])
    assert one.pop("notes.txt") == b"mine"
    one.pop("scores.jsonl")  # which tells the time
    assert one.items() <= other.items()
    assert one.keys() == other.keys() - {"scores.jsonl"}


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("change", [{"step": 8}, {"weights": "b"}, {"seed": 1}])
def test_other_weights_start_anew(data_dir, whole, tmp_path, change):
    folder = shutil.copytree(whole[0], tmp_path / NAME)
    log = folder / "scores.jsonl"
    log.write_text(
        log.read_text() + log.read_text().splitlines()[0].replace('"04"', '"gone"') + "\n"
    )
    (folder / "restored" / "gone.png").write_bytes(b"of an image that is no longer there")
    anew = Restoration()
    assert evaluate_set(data_dir, folder, anew, **change).items() >= change.items()
    assert anew.num_calls == 6
    assert not (folder / "restored" / "gone.png").exists()


@pytest.mark.usefixtures("one_thread")
def test_changed_pair_missing_picture_and_damaged_line_are_scored_again(data_dir, whole, tmp_path):
    copy = shutil.copytree(data_dir, tmp_path / "data")
    folder = shutil.copytree(whole[0], tmp_path / NAME)
    shutil.copy(copy / "not_blurred_resized" / "00.jpg", copy / "not_blurred_resized" / "04.jpg")
    (folder / "restored" / "09.png").unlink()
    lines = (folder / "scores.jsonl").read_text().splitlines()
    odd = ["[" * 99_999, '{"id": "../x"}', lines[2].replace("restored_ssim", "x")]
    text = "\n".join([*lines[:2], *odd, *lines[3:]])
    (folder / "scores.jsonl").write_text(text + "\n\udcff\n", errors="surrogateescape")
    again = Restoration()
    content = evaluate_set(copy, folder, again, ALL)
    assert again.num_calls == 3
    undisturbed = evaluate_set(copy, tmp_path / "new" / NAME, Restoration(), ALL)
    assert without_times(content) == without_times(undisturbed)


# Classical methods on a sample of the test images.


@pytest.fixture
def sample_of_two(monkeypatch, one_thread):
    monkeypatch.setattr(baselines, "SAMPLE_SIZE", 2)


@pytest.mark.usefixtures("sample_of_two")
def test_only_the_sample_is_scored_by_classical_methods_and_it_is_said(data_dir, whole, tmp_path):
    content, of_all = evaluate_set(data_dir, tmp_path / NAME, Restoration()), whole[1]
    assert content["sample"]["num_images"] == 2
    assert content["sample"]["rows"] == CLASSICAL
    table = {row["id"]: row for row in table_in(whole[0])}
    sampled = [row["id"] for row in table_in(tmp_path / NAME) if row["wiener_ssim"]]
    assert set(sampled) == {
        f"'{each}"[each[0] != "=" :]
        for each in baseline_ids(["04", "09", "14", "19", "24", "=1+2"])
    }
    for name in ("blurred", "restored"):
        assert content["rows"][name] == of_all["rows"][name]
    for name in CLASSICAL:
        values = [float(table[image_id][f"{name}_psnr_db"]) for image_id in sampled]
        assert content["rows"][name]["psnr_db"] == pytest.approx(np.mean(values))
        assert content["rows"][name]["num_images"] == 2
        own = [float(table[image_id]["restored_psnr_db"]) for image_id in sampled]
        gain = np.mean(own) - np.mean(values)
        assert content["gains"][name]["psnr_db"] == pytest.approx(gain)
    assert text_of(content).count("(on 2 images, there restored has ") == 3
    assert "images" not in text_of(of_all)


@pytest.mark.usefixtures("sample_of_two")
@pytest.mark.parametrize(("first", "then"), [(SAMPLE, ALL), (ALL, SAMPLE)])
def test_stopped_with_one_choice_goes_on_with_the_other(data_dir, tmp_path, first, then):
    undisturbed = evaluate_set(data_dir, tmp_path / "new" / NAME, Restoration(), then)
    with pytest.raises(KeyboardInterrupt):
        evaluate_set(data_dir, tmp_path / NAME, Restoration(stop_after=4), first)
    rest = Restoration()
    content = evaluate_set(data_dir, tmp_path / NAME, rest, then)
    assert without_times(content) == without_times(undisturbed)
    assert rest.num_calls == 6 - 4
    assert table_in(tmp_path / NAME) == table_in(tmp_path / "new" / NAME)


def test_a_curve_joins_evaluations_of_one_step_and_one_kind_of_blur():
    rows = {"blurred": {"psnr_db": 20.0}}

    def on(kernel, step, radius_px, **blur):
        blur = {"kernel": kernel, "radius_px": radius_px, "border": "replicate"} | blur
        return {"kernel": kernel, "step": step, "blur": blur, "rows": rows}

    evaluations = {
        "disc-r30": on("disc-r30", 7, 30.0, blades=0, quality=95),
        "disc-r10": on("disc-r10", 7, 10),
        "disc-r20": on("disc-r20", 5, 20.0),  # of an earlier step
        "disc-r10-40": on("disc-r10-40", 7, [10.0, 40.0]),
        "disc-r8-linear": on("disc-r8-linear", 7, 8.0, linear=True),
        "real-pairs": {"step": 9, "real": {}},
    }
    content = curves_of(evaluations, ["disc-r30"])
    assert content["trained"] == ["disc-r30"]
    curves = {
        json.dumps(curve["blur"]): [
            (point["radius_px"], point["kernel"]) for point in curve["points"]
        ]
        for curve in content["curves"]
    }
    assert curves == {
        "{}": [(10, "disc-r10"), (30, "disc-r30")],
        '{"linear": true}': [(8, "disc-r8-linear")],
    }


# Real pairs.


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


def score_real(pairs_dir: Path, folder: Path, restore=lambda picture: picture) -> dict:
    return evaluate(restore, find_real_pairs(pairs_dir), folder, REAL, is_real=True)


def test_doing_nothing_gains_nothing_and_keeps_all(pairs_dir, tmp_path):
    content = score_real(pairs_dir, tmp_path)
    assert content["rows"]["restored"] == content["rows"]["blurred"]
    assert content["rows"]["restored"]["ripples"] == 0
    assert content["gains"]["blurred"]["psnr_db"] == 0
    kept = content["rows"]["sharp_kept"]["psnr_db"]
    assert kept == content["real"]["sharp_kept_lowest_db"] == 100
    assert content["real"]["psnr_db"] == {"share_better": 0, "worst_gain": 0, "worst": "a"}
    assert [float(row["share_scored"]) for row in table_in(tmp_path)] == [0.5, 1, 1]


def test_worst_is_told_and_what_lies_outside_the_mask_is_not(pairs_dir, tmp_path):
    blurred, sharp = (
        np.asarray(Image.open(pairs_dir / f"a_{part}.png")) for part in ("blurred", "sharp")
    )

    def restore(picture: np.ndarray) -> np.ndarray:
        """Perfect on `a` where it counts, wrong elsewhere; 20 levels off on all others."""
        if np.array_equal(picture, blurred):
            return np.concatenate([sharp[:32], 255 - sharp[32:]])
        return np.where(picture > 127, picture - 20, picture + 20)

    content = score_real(pairs_dir, tmp_path, restore)
    assert content["real"]["psnr_db"]["share_better"] == pytest.approx(1 / 3)
    assert content["real"]["psnr_db"]["worst_gain"] < -3
    assert content["real"]["sharp_kept_lowest_db"] == pytest.approx(22.11, abs=0.01)  # 20 levels
    assert "better in 33%" in text_of(content)
    assert float(table_in(tmp_path)[0]["restored_psnr_db"]) == 100


def test_stopped_evaluation_of_real_pairs_goes_on(pairs_dir, tmp_path):
    undisturbed, rest = score_real(pairs_dir, tmp_path / "whole", Restoration()), Restoration()
    with pytest.raises(KeyboardInterrupt):  # in the second half of the second pair
        score_real(pairs_dir, tmp_path / "resumed", Restoration(stop_after=3))
    assert without_times(score_real(pairs_dir, tmp_path / "resumed", rest)) == without_times(
        undisturbed
    )
    assert rest.num_calls == 4


def test_sheet_of_a_large_picture_shows_what_changed_most_as_it_is():
    blurred = np.full((700, 900, 3), 100, np.uint8)
    restored = blurred.copy()
    restored[600:640, 800:840] = 200
    drawn = sheet(blurred, restored, blurred, np.ones((700, 900), bool))
    assert drawn.shape == (round(700 * PANEL_PX / 900) + PANEL_PX, 3 * PANEL_PX, 3)
    detail = drawn[-PANEL_PX:, PANEL_PX : 2 * PANEL_PX]
    assert np.count_nonzero((detail == 200).all(-1)) == 40 * 40


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="needs real pairs, which are not the project's")
def test_blur_of_real_pairs_is_scored_below_the_truth(tmp_path):
    real = tmp_path / "pairs"
    real.mkdir()
    for path in EXAMPLES.glob("face_07_woman_*"):
        shutil.copy(path, real)
    content = score_real(real, tmp_path / "evaluation")
    assert content["rows"]["blurred"]["psnr_db"] == pytest.approx(26.8, abs=0.2)
    assert content["real"]["num_not_aligned"] == 0


# The commands.


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    write_matched_folders(folder / "data", IDS, kernels=(NAME, "disc-r40"))
    run(folder / "runs" / "run-01", folder / "data", steps=2, gan_weight=0)
    return folder


def command(folder: Path, *words: str) -> int:
    where = ["--data-dir", str(folder / "data"), "--runs-dir", str(folder / "runs")]
    return pipeline.main([words[0], *where, *words[1:]])


@pytest.mark.usefixtures("one_thread")
def test_stopped_command_says_it_is_unfinished_and_goes_on(trained, tmp_path, monkeypatch, capsys):
    folder = shutil.copytree(trained, tmp_path / "folder")
    evaluations_dir = folder / "runs" / "run-01" / "evaluation"
    both = ("evaluate", "--kernel", NAME, "disc-r40")
    assert command(folder, *both) == 0
    before = tree(evaluations_dir)
    shutil.rmtree(evaluations_dir)
    restore, calls = checkpoints.restore_picture, []

    def stopped(generator, blurred):
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(0)
        return restore(generator, blurred)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "restore_picture", stopped)
        assert command(folder, *both) == 130
    for other in (
        ["report"],
        ["report", "--kernel", NAME],
        ["compare", "--with", "run-01", "run-02"],
    ):
        capsys.readouterr()
        assert command(folder, *other) == 1
        assert "make evaluate RUN=run-01" in capsys.readouterr().err
    assert command(folder, *both) == 0
    after = tree(evaluations_dir)
    assert after.keys() == before.keys() >= {"curve.json", f"{NAME}/report.html"}
    for path in (f"{NAME}/per_image.csv", "disc-r40/per_image.csv"):
        assert after[path] == before[path]
    one, other = (json.loads(files[f"{NAME}/metrics.json"]) for files in (before, after))
    assert without_times(one) == without_times(other)
    assert command(folder, "report", "--kernel", "*") == 0
    assert command(folder, "report", "--kernel", "disc-r50") == 1
    assert 'make evaluate RUN=run-01 KERNEL="disc-r50"' in capsys.readouterr().err


def test_real_pairs_need_no_data_folder_and_sets_link_to_them(trained, pairs_dir, tmp_path, capsys):
    folder = shutil.copytree(trained, tmp_path / "folder")
    real, evaluation = ("--real", str(pairs_dir)), folder / "runs" / "run-01" / "evaluation"
    assert command(folder, "evaluate", "--kernel", NAME, *real) == 0
    assert "sharp kept" in capsys.readouterr().out
    page = (evaluation / NAME / "report.html").read_text()
    assert 'href="../real-pairs/report.html"' in page
    places = f"RUNS={folder}/runs DATA={folder}/data"
    assert f"make evaluate RUN=run-01 KERNEL=&#34;{NAME}&#34; {places}" in page
    shutil.rmtree(folder / "data")
    shutil.copytree(folder / "runs" / "run-01", folder / "runs" / "run-02")
    assert command(folder, "evaluate", "--run", "run-02", *real) == 0
    assert command(folder, "report", "--run", "run-02", "--kernel", "real-*") == 0
    page = (folder / "runs" / "run-02" / "evaluation" / "real-pairs" / "report.html").read_text()
    assert f"make evaluate RUN=run-02 REAL={pairs_dir} {places}" in page
    assert f"make train RUN=run-02 KERNEL=&#34;{NAME}&#34;" in page


@pytest.mark.parametrize("what", ["folder", "run", "size"])
def test_what_is_wrong_is_one_line(trained, pairs_dir, tmp_path, capsys, what):
    real = shutil.copytree(pairs_dir, tmp_path / "pairs")
    words = {"folder": str(tmp_path / "none")}.get(what, str(real))
    if what == "size":
        Image.fromarray(photo_u8(0, 30)).save(real / "c_sharp.png")
    chosen = ["--run", "none"] if what == "run" else []
    assert command(trained, "evaluate", "--real", words, *chosen) == 1
    [line] = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ")
    assert not (trained / "runs" / "run-01" / "evaluation").exists()
