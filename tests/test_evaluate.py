"""Scoring a run on sets and on real pairs: the numbers, and going on where it was stopped."""

import csv
import json
import os
import shutil

import numpy as np
import pytest
from helpers.evaluated import NAME, Restoration, evaluate_set
from helpers.pair_files import photo_u8, tree, write_matched_folders
from helpers.runs import IDS, write_untrained
from PIL import Image
from scipy.ndimage import gaussian_filter

import pipeline
from train import checkpoints, stages
from train.evaluation import ALL, SAMPLE, baselines
from train.evaluation.baselines import baseline_ids
from train.evaluation.evaluate import evaluate, sheet, text_of
from train.evaluation.metrics import SCORES
from train.evaluation.real_pairs import ExampleError, find_real_pairs
from train.evaluation.results import curves_of

CLASSICAL = ["richardson_lucy", "wiener", "unsharp_mask"]
TEST_IDS = ["04", "09", "14", "19", "24", "=1+2"]


@pytest.fixture(autouse=True)
def one_thread_and_one_image(monkeypatch):
    """So that what is done when is known, and little time is spent on tuning."""
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr(stages, "MOST_TUNING_IMAGES", 1)


def table_in(folder):
    with (folder / "per_image.csv").open(newline="") as file:
        return {row["id"].removeprefix("'"): row for row in csv.DictReader(file)}


def without_times(content):
    passing = {"seconds", "date", "hardware"}
    return {name: value for name, value in content.items() if name not in passing}


# Sets.


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """Six of thirty images are for testing."""
    ids = [f"{number:02d}" for number in range(29)] + ["=1+2"]
    return write_matched_folders(tmp_path_factory.mktemp("data"), ids)


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
    assert list(table) == TEST_IDS
    assert table["=1+2"]["id"] == "'=1+2"  # no formula
    mean = np.mean([float(row["wiener_haarpsi"]) for row in table.values()])
    assert mean == pytest.approx(content["rows"]["wiener"]["haarpsi"])
    gains = [float(row["restored_ssim"]) - float(row["wiener_ssim"]) for row in table.values()]
    assert np.mean(gains) == pytest.approx(content["gains"]["wiener"]["ssim"])
    assert {path.stem for path in (folder / "restored").iterdir()} == set(TEST_IDS)
    assert "sample" not in content


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
    for files in (one, other):
        del files["scores.jsonl"]  # which tells the time
    assert one == other


@pytest.mark.parametrize("change", [{"step": 8}, {"weights": "b"}, {"seed": 1}])
def test_other_weights_start_anew(data_dir, whole, tmp_path, change):
    folder = shutil.copytree(whole[0], tmp_path / NAME)
    with (folder / "scores.jsonl").open("r+") as log:
        log.write(log.readline().replace('"04"', '"gone"') + log.read())
    (folder / "restored" / "gone.png").write_bytes(b"of an image that is no longer there")
    anew = Restoration()
    assert evaluate_set(data_dir, folder, anew, **change).items() >= change.items()
    assert anew.num_calls == 6
    assert not (folder / "restored" / "gone.png").exists()


def test_changed_pair_missing_picture_and_damaged_line_are_scored_again(data_dir, whole, tmp_path):
    copy = shutil.copytree(data_dir, tmp_path / "data")
    folder = shutil.copytree(whole[0], tmp_path / NAME)
    shutil.copy(copy / "not_blurred_resized" / "00.jpg", copy / "not_blurred_resized" / "04.jpg")
    (folder / "restored" / "09.png").unlink()
    lines = (folder / "scores.jsonl").read_text().splitlines()
    lines[2:3] = ["[" * 99_999, '{"id": "../x"}', lines[2].replace("restored_ssim", "x")]
    text = "\n".join([*lines, "\udcff\n"])
    (folder / "scores.jsonl").write_text(text, errors="surrogateescape")
    again = Restoration()
    content = evaluate_set(copy, folder, again, ALL)
    assert again.num_calls == 3
    undisturbed = evaluate_set(copy, tmp_path / "new" / NAME, Restoration(), ALL)
    assert without_times(content) == without_times(undisturbed)


# Classical methods on a sample of the test images.


def test_only_the_sample_is_scored_by_classical_methods_and_it_is_said(
    data_dir, whole, tmp_path, monkeypatch
):
    monkeypatch.setattr(baselines, "SAMPLE_SIZE", 2)
    content, of_all = evaluate_set(data_dir, tmp_path / NAME, Restoration()), whole[1]
    assert content["sample"].items() >= {"num_images": 2, "rows": CLASSICAL}.items()
    table, own = table_in(whole[0]), table_in(tmp_path / NAME)
    sampled = [image_id for image_id in own if own[image_id]["wiener_ssim"]]
    assert set(sampled) == baseline_ids(TEST_IDS)
    for name in ("blurred", "restored"):
        assert content["rows"][name] == of_all["rows"][name]
    restored = np.mean([float(table[each]["restored_psnr_db"]) for each in sampled])
    for name in CLASSICAL:
        mean = np.mean([float(table[each][f"{name}_psnr_db"]) for each in sampled])
        assert content["rows"][name]["psnr_db"] == pytest.approx(mean)
        assert content["rows"][name]["num_images"] == 2
        assert content["gains"][name]["psnr_db"] == pytest.approx(restored - mean)
    assert text_of(content).count("(on 2 images, where restored gains ") == 3
    assert "images" not in text_of(of_all)


@pytest.mark.parametrize(("first", "then"), [(SAMPLE, ALL), (ALL, SAMPLE)])
def test_stopped_with_one_choice_goes_on_with_the_other(
    data_dir, tmp_path, monkeypatch, first, then
):
    monkeypatch.setattr(baselines, "SAMPLE_SIZE", 2)
    undisturbed = evaluate_set(data_dir, tmp_path / "new" / NAME, Restoration(), then)
    with pytest.raises(KeyboardInterrupt):
        evaluate_set(data_dir, tmp_path / NAME, Restoration(stop_after=4), first)
    rest = Restoration()
    content = evaluate_set(data_dir, tmp_path / NAME, rest, then)
    assert without_times(content) == without_times(undisturbed)
    assert rest.num_calls == 6 - 4
    assert table_in(tmp_path / NAME) == table_in(tmp_path / "new" / NAME)


def test_a_curve_joins_evaluations_of_one_step_and_one_kind_of_blur():
    def on(kernel, step, radius_px, **blur):
        blur = {"kernel": kernel, "radius_px": radius_px, "border": "replicate"} | blur
        return {"kernel": kernel, "step": step, "blur": blur, "rows": {}}

    sets = [
        on("disc-r30", 7, 30.0, blades=0, quality=95),
        on("disc-r10", 7, 10),
        on("disc-r20", 5, 20.0),  # of an earlier step
        on("disc-r10-40", 7, [10.0, 40.0]),
        on("disc-r8-linear", 7, 8.0, linear=True),
    ]
    evaluations = {content["kernel"]: content for content in sets}
    content = curves_of(evaluations | {"real-pairs": {"step": 9, "real": {}}}, ["disc-r30"])
    assert content["trained"] == ["disc-r30"]
    curves = [
        (curve["blur"], [(point["radius_px"], point["kernel"]) for point in curve["points"]])
        for curve in content["curves"]
    ]
    assert curves == [
        ({"linear": True}, [(8, "disc-r8-linear")]),
        ({}, [(10, "disc-r10"), (30, "disc-r30")]),
    ]


# Real pairs.


@pytest.fixture(scope="module")
def pairs_dir(tmp_path_factory):
    """Sharp pictures and blurred copies; of the first, only the upper half is to be scored."""
    folder = tmp_path_factory.mktemp("real") / "pairs"
    folder.mkdir()
    for number, name in enumerate("abc"):
        sharp = photo_u8(number, 64, 69)
        Image.fromarray(sharp).save(folder / f"{name}_sharp.png")
        Image.fromarray(gaussian_filter(sharp, (2, 2, 0))).save(folder / f"{name}_blurred.png")
    upper = np.arange(64)[:, None].repeat(69, axis=1) < 32
    Image.fromarray(255 * upper.astype(np.uint8)).save(folder / "a_mask.png")
    return folder


def score_real(pairs_dir, folder, restore=lambda picture: picture):
    context = {"kernel": "real-pairs", "folder": "pairs", "step": 7, "weights": "a", "seed": 0}
    return evaluate(restore, find_real_pairs(pairs_dir), folder, context, is_real=True)


def test_doing_nothing_to_real_pairs_gains_nothing_and_keeps_all(pairs_dir, tmp_path):
    content = score_real(pairs_dir, tmp_path)
    assert content["rows"]["restored"] == content["rows"]["blurred"]
    assert content["rows"]["restored"]["ripples"] == 0
    assert content["gains"]["blurred"]["psnr_db"] == 0
    assert content["gains"]["blurred"]["psnr_db_ci95"] == [0, 0]
    kept = content["rows"]["sharp_kept"]["psnr_db"]
    assert kept == content["real"]["sharp_kept_lowest_db"] == 100
    assert content["real"]["psnr_db"] == {"share_better": 0, "worst_gain": 0, "worst": "a"}
    table, rows = table_in(tmp_path), ("blurred", "restored", "sharp_kept")
    assert [float(row["share_scored"]) for row in table.values()] == [0.5, 1, 1]
    scores = [f"{row}_{name}" for row in rows for name in ("psnr_db", "ssim", "ripples")]
    beside = ["moved_px", "light_ratio", "share_scored", "found"]
    assert list(table["a"]) == ["id", *scores, *beside]


def test_worst_is_told_and_what_lies_outside_the_mask_is_not(pairs_dir, tmp_path):
    blurred, sharp = (
        np.asarray(Image.open(pairs_dir / f"a_{part}.png")) for part in ("blurred", "sharp")
    )

    def restore(picture):
        """Perfect on `a` where it counts, wrong elsewhere; 20 levels off on all others."""
        if np.array_equal(picture, blurred):
            return np.concatenate([sharp[:32], 255 - sharp[32:]])
        return np.where(picture > 127, picture - 20, picture + 20)

    content = score_real(pairs_dir, tmp_path, restore)
    assert content["real"]["psnr_db"]["share_better"] == pytest.approx(1 / 3)
    assert content["real"]["psnr_db"]["worst_gain"] < -3
    assert content["real"]["sharp_kept_lowest_db"] == pytest.approx(22.11, abs=0.01)  # 20 levels
    assert "better in 33%" in text_of(content)
    assert float(table_in(tmp_path)["a"]["restored_psnr_db"]) == 100


def test_a_set_and_real_pairs_of_one_name_do_not_overwrite_each_other(data_dir, whole, pairs_dir):
    folder = whole[0]
    (folder / "metrics.json").write_text("{}")
    before = tree(folder)
    with pytest.raises(ExampleError, match="holds an evaluation of a set; rename the pairs"):
        score_real(pairs_dir, folder)
    assert tree(folder) == before
    (folder / "sheets").mkdir()
    with pytest.raises(ExampleError, match="holds an evaluation of real pairs"):
        evaluate_set(data_dir, folder)
    (folder / "sheets").rmdir()


def test_sheet_of_a_large_picture_shows_what_changed_most_as_it_is():
    blurred = np.full((700, 900, 3), 100, np.uint8)
    restored = blurred.copy()
    restored[600:640, 800:840] = 200
    detail = sheet(blurred, restored, blurred, np.ones((700, 900), bool))[-512:, 512:1024]
    assert np.count_nonzero((detail == 200).all(-1)) == 40 * 40


# The commands.


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    write_matched_folders(folder / "data", IDS, size=32, kernels=(NAME, "disc-r40"))
    write_untrained(folder / "runs" / "run-01")
    return folder


def command(folder, *words):
    where = ["--data-dir", str(folder / "data"), "--runs-dir", str(folder / "runs")]
    return pipeline.main([words[0], *where, *words[1:]])


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
    named = ["compare", "--with", "run-01", "run-02"]
    for other in (["report"], ["report", "--kernel", NAME], named):
        capsys.readouterr()
        assert command(folder, *other) == 1
        assert "make evaluate RUN=run-01" in capsys.readouterr().err
    assert command(folder, *both) == 0
    after = tree(evaluations_dir)
    assert after.keys() == before.keys() >= {"curve.json", f"{NAME}/report.html"}
    for name in (NAME, "disc-r40"):
        assert after[f"{name}/per_image.csv"] == before[f"{name}/per_image.csv"]
        one, other = (json.loads(files[f"{name}/metrics.json"]) for files in (before, after))
        assert without_times(one) == without_times(other)
    assert command(folder, "report", "--kernel", "*") == 0
    assert command(folder, "report", "--kernel", "disc-r50") == 1
    assert 'make evaluate RUN=run-01 KERNEL="disc-r50"' in capsys.readouterr().err


def test_real_pairs_need_no_data_folder_and_sets_link_to_them(trained, pairs_dir, tmp_path, capsys):
    folder = shutil.copytree(trained, tmp_path / "folder")
    real, evaluation = ("--real", str(pairs_dir)), folder / "runs" / "run-01" / "evaluation"
    assert command(folder, "evaluate", "--kernel", NAME, *real) == 0
    assert "sharp pictures kept" in capsys.readouterr().out
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


def test_pair_that_does_not_fit_is_one_line(trained, pairs_dir, tmp_path, capsys):
    real = shutil.copytree(pairs_dir, tmp_path / "pairs")
    Image.fromarray(photo_u8(0, 30)).save(real / "c_sharp.png")
    assert command(trained, "evaluate", "--real", str(real)) == 1
    [line] = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ")
    assert not (trained / "runs" / "run-01" / "evaluation").exists()
