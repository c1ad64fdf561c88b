"""The pages: what they say, that they are safe and whole, and that they work in a browser."""

import base64
import io
import json
import os
import re

import numpy as np
import pytest
from helpers.browser import ARROW_RIGHT, Browser, browser_is_installed
from helpers.pair_files import picture_bomb
from PIL import Image

from prepare.records.data_folder import DataFolder
from prepare.records.files import write_json, write_text
from prepare.records.settings import DamagedRecordError
from train.dataset import write_picture
from train.evaluation.metrics import SCORES
from train.evaluation.results import ImageScores, score_log
from train.report.charts import histogram, line_chart, nice_ticks, training_charts
from train.report.compare import NothingToCompareError
from train.stages import compare_runs, report_run

NAME = "disc-r30"
NASTY = "<img src=x onerror=alert(1)>"  # no slash, which no file name may hold


class Layout:
    """Evaluated runs made of noise, with one image's name meant to break the page."""

    def __init__(self, folder):
        self.data, self.runs_dir = DataFolder(folder / "data"), folder / "runs"
        self.run_dir = self.add("run", [1.0 + (index * 7) % 12 for index in range(12)])
        self.page = self.run_dir / "evaluation" / NAME / "report.html"

    def add(self, run, gains, name=NAME):
        """Evaluates a run: in all scores the blurred pictures have 1, the restored ones more."""
        folder, rng = self.runs_dir / run / "evaluation" / name, np.random.default_rng(0)
        ids = [NASTY, *(f"image-{index}" for index in range(1, len(gains)))]
        lines = []
        for image_id, gain in zip(ids, gains, strict=True):
            for path in (
                self.data.sharp_path(image_id),
                self.data.blurred_path(name, image_id),
                folder / "restored" / f"{image_id}.png",
            ):
                write_picture(path, rng.integers(0, 256, (32, 32, 3), np.uint8))
            scores = {f"blurred_{each}": 1.0 for each in SCORES}
            scores |= {f"restored_{each}": 1.0 + gain for each in SCORES}
            lines.append(ImageScores(image_id, "", "", scores))
        score_log(folder).rewrite(lines)
        write_json(folder / "metrics.json", metrics_of(len(gains), name))
        return self.runs_dir / run

    def write(self):
        report_run(self.run_dir, self.data, [NAME])
        return self.page.read_text(encoding="utf-8")

    def compare(self, *runs):
        compare_runs(self.runs_dir, runs, self.data)
        folder = self.runs_dir / f"comparison-{'-'.join(runs) or 'all'}"
        page = (folder / "comparison.html").read_text(encoding="utf-8")
        return json.loads((folder / "comparison.json").read_text()), page


def metrics_of(num_images, name):
    row = dict.fromkeys(SCORES, 1.5) | {f"{each}_ci95": [1.0, 2.0] for each in SCORES}
    return {
        "kernel": name,
        "blur": {"radius_px": 30.0, "linear": False, "border": "replicate", "quality": 95},
        "step": 400,
        "seed": 0,
        "split": "test",
        "num_images": num_images,
        "size": 32,
        "hardware": "2 cores",
        "seconds": 1.0,
        "date": "2026-01-01T00:00:00+00:00",
        "rows": {"blurred": row, "restored": row, "unsharp_mask": row | {"num_images": 2}},
        "gains": {"blurred": row, "unsharp_mask": row},
        "sample": {"num_images": 2, "chosen_by": "hash", "rows": ["unsharp_mask"]},
        "baselines": {
            "wiener": {"left_out": "needs one PSF for the whole set, but its blades are curved"},
            "unsharp_mask": {"sigma_px": 2.0, "amount": 1.0, "blind": True},
        },
    }


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


def test_the_page_needs_nothing_but_itself_and_says_what_it_is_of(layout):
    page = layout.write()
    links = re.findall(r'(?:src|href)="([^"]*)"', page) + re.findall(r"url\(([^)]*)\)", page)
    assert all(link.startswith("data:") for link in links)
    assert page.count("data:image/") == 27
    for said in (NAME, "step 400", "2 cores", "where restored gains ", "on 2 of the 12"):
        assert said in page
    assert NASTY not in page
    assert "&lt;img src=x" in page


def test_large_pictures_are_reduced_for_the_page(layout):
    large = np.zeros((600, 400, 3), np.uint8)
    write_picture(layout.page.parent / "restored" / "image-5.png", large)  # the largest gain
    heights = [
        Image.open(io.BytesIO(base64.b64decode(content))).height
        for content in re.findall(r'"data:image/\w+;base64,([^"]*)"', layout.write())
    ]
    assert sorted(heights) == [*[32] * 26, 512]


@pytest.mark.parametrize("content", [None, picture_bomb(), b"\xff\xd8\xff"])
def test_a_picture_that_is_none_is_one_line(layout, content):
    path = layout.data.sharp_path("image-5")
    path.unlink()
    path.write_bytes(content) if content else os.mkfifo(path)
    with pytest.raises((OSError, DamagedRecordError), match=r"image-5\.jpg"):
        layout.write()


def test_the_radius_curve_is_shown(layout):
    assert "over the blur radius" not in layout.write()
    layout.add("run", [1.0, 2.0], "disc-r10")
    path = layout.run_dir / "evaluation" / "disc-r10" / "metrics.json"
    write_json(path, metrics_of(2, "disc-r10") | {"blur": {"radius_px": 10}})
    page = layout.write()
    assert "PSNR, dB over the blur radius" in page
    assert "equal pictures are left out" in page


@pytest.mark.parametrize("content", ["damaged", '{"real": {}}', '{"real": 3, "gains": []}'])
def test_another_evaluation_that_is_damaged_is_left_out(layout, capsys, content):
    write_text(layout.run_dir / "evaluation" / "real-pairs" / "metrics.json", content)
    assert "real-pairs" not in layout.write()
    assert "left out: " in capsys.readouterr().out


# Charts.


def test_charts_of_a_training_that_still_writes_its_log(layout):
    path = layout.run_dir / "log.csv"
    columns = "step,epoch,generator_loss,adversarial_loss,l1,discriminator_loss,"
    columns += "validation_psnr_db,validation_haarpsi\n"

    def titles():
        return [chart["title"].split(",")[0] for chart in training_charts(path)]

    assert titles() == []
    write_text(path, columns)
    assert titles() == []
    first = "50,1,9,0,0.1,0,,\n100,2,8,0,0.1,0,24.5,0.6\n"
    write_text(path, columns + first + "150,3,8,0.")
    # A single validation is no curve, and neither is a term that the run has not.
    assert titles() == ["mean absolute error"]
    write_text(path, columns + first + "150,3,8,0.7,0.1,0.6,24.6,0.7\n")
    first_three = ["validation PSNR", "validation HaarPSI", "mean absolute error"]
    assert titles()[:3] == first_three
    assert titles()[3].startswith("adversarial losses")
    assert "<polyline" in layout.write()


def test_charts_of_odd_numbers():
    for low, high in ((0, 1), (-3.2, 4.1), (24.1, 24.2), (5, 5), (0, 0)):
        ticks = nice_ticks(low, high)
        assert ticks[0] <= low <= high <= ticks[-1]
        assert 2 <= len(ticks) <= 10
    assert line_chart("t", "x", {"a": [(1, float("nan"))]})["lines"] == []
    for values in ([0.0], [1.0, 1.0], [-1.0, 3.0], [-2.0, -1.0]):
        bars = histogram("t", "x", values)["bars"]
        assert sum(int(bar["text"].rsplit(" ", 1)[1]) for bar in bars) == len(values)


# Runs side by side.


def test_pairing_finds_what_separate_intervals_cannot(layout):
    """Gains that differ between images far more than between runs; three images only b has."""
    rng = np.random.default_rng(1)
    difficulty = rng.normal(25, 4, 23)
    layout.add("a", (difficulty[:20] + rng.normal(0, 0.1, 20)).tolist())
    layout.add("b", (difficulty + rng.normal(0.3, 0.1, 23)).tolist())
    content, page = layout.compare("a", "b")
    [kernel] = content["comparisons"]
    assert (kernel["num_images"], kernel["num_left_out"]) == (20, 3)
    assert "3 images were not evaluated" in page
    first, second = kernel["rows"]
    assert first["differences"]["psnr_db"] == [0, [0, 0]]
    mean, (low, high) = second["differences"]["psnr_db"]
    assert 0 < low < mean < high
    assert mean == pytest.approx(0.3, abs=0.1)
    assert second["scores"]["psnr_db"][1][0] < first["scores"]["psnr_db"][1][1]  # they overlap


def test_where_no_runs_are_named_all_that_were_evaluated_are_compared(layout):
    layout.add("b", [1.0, 2.0], "disc-r10")
    layout.add("c", [3.0, 2.0], "disc-r10")
    (layout.runs_dir / "new").mkdir()
    content, _ = layout.compare()
    assert content["runs"] == ["b", "c", "run"]
    [comparison] = content["comparisons"]  # the one set that several were evaluated on
    assert comparison["kernel"] == "disc-r10"
    assert [row["run"] for row in comparison["rows"]] == ["b", "c"]


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (("run", "run"), "two or more"),
        (("run", "none"), "make evaluate RUN=none"),
        (("run", "b"), "no two runs were evaluated on the same set"),
    ],
)
def test_what_cannot_be_compared_is_said(layout, runs, said):
    layout.add("b", [1.0], "disc-r10")
    with pytest.raises(NothingToCompareError, match=said):
        layout.compare(*runs)


@pytest.mark.skipif(not browser_is_installed(), reason="needs chromium-driver")
def test_sliders_and_table_work_in_a_browser_and_nothing_sticks_out_on_a_phone(layout):
    layout.write()
    at = "return document.querySelector('.slider').style.getPropertyValue('--at')"
    first = "return document.querySelector('table.sortable tbody td').textContent"
    gain = "table.sortable th:nth-child(3) button"
    with Browser(width=500) as browser:
        browser.open(layout.page)
        width, window = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
        assert width <= window
        assert browser.run(at) == "50%"
        browser.press(".slider input", ARROW_RIGHT)
        assert browser.run(at) == "51%"
        browser.drag(".slider input", 60)
        assert int(browser.run(at)[:-1]) > 60
        browser.drag(".slider input", -60, "touch")
        assert int(browser.run(at)[:-1]) < 40
        shown = "return getComputedStyle(document.querySelector('.slider img.sharp')).display"
        assert browser.run(shown) == "none"
        browser.click("input[value=sharp]")
        assert browser.run(shown) == "block"
        browser.click(gain)
        assert browser.run(first) == "image-5"  # 5 * 7 % 12 = 11, the most
        browser.click(gain)
        assert browser.run(first) == NASTY
        assert browser.complaints() == []
