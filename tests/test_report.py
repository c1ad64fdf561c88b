"""The pages: what they say, that they are safe and whole, and that they work in a browser."""

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from helpers.browser import ARROW_RIGHT, Browser, browser_is_installed
from PIL import Image

from prepare.records.data_folder import DataFolder
from prepare.records.files import write_json, write_text
from prepare.records.settings import DamagedRecordError
from train.dataset import write_picture
from train.evaluation.metrics import SCORES
from train.evaluation.results import ImageScores, read_evaluations, score_log
from train.report.charts import histogram, line_chart, nice_ticks, training_charts
from train.report.compare import NothingToCompareError
from train.stages import compare_runs, report_run

NAME = "disc-r30"
NASTY = "<img src=x onerror=alert(1)>"  # no slash, which no file name may hold
needs_browser = pytest.mark.skipif(not browser_is_installed(), reason="needs chromium-driver")


class Layout:
    """Evaluated runs made of noise, with one image's name meant to break the page."""

    def __init__(self, folder: Path) -> None:
        self.data, self.runs_dir = DataFolder(folder / "data"), folder / "runs"
        self.rng = np.random.default_rng(0)
        self.run_dir = self.add("run", [1.0 + (index * 7) % 12 for index in range(12)])
        self.page = self.run_dir / "evaluation" / NAME / "report.html"

    def add(self, run: str, gains: list[float], name: str = NAME) -> Path:
        """Evaluates a run: in all scores the blurred pictures have 1, the restored ones more."""
        folder = self.runs_dir / run / "evaluation" / name
        ids = [NASTY, *(f"image-{index}" for index in range(1, len(gains)))]
        lines = []
        for image_id, gain in zip(ids, gains, strict=True):
            for path in (
                self.data.sharp_path(image_id),
                self.data.blurred_path(name, image_id),
                folder / "restored" / f"{image_id}.png",
            ):
                write_picture(path, self.rng.integers(0, 256, (32, 32, 3), np.uint8))
            scores = {f"blurred_{each}": 1.0 for each in SCORES}
            scores |= {f"restored_{each}": 1.0 + gain for each in SCORES}
            lines.append(ImageScores(image_id, "", "", 1.0, scores))
        score_log(folder).rewrite(lines)
        write_json(folder / "metrics.json", metrics_of(len(gains), name))
        return self.runs_dir / run

    def write(self) -> str:
        report_run(self.run_dir, self.data, [NAME])
        return self.page.read_text(encoding="utf-8")

    def compare(self, *runs: str) -> tuple[dict, str]:
        compare_runs(self.runs_dir, runs, self.data)
        folder = self.runs_dir / f"comparison-{'-'.join(runs) or 'all'}"
        page = (folder / "comparison.html").read_text(encoding="utf-8")
        return json.loads((folder / "comparison.json").read_text()), page


def metrics_of(num_images: int, name: str = NAME) -> dict:
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
            "wiener": {"left_out": "needs one PSF for the set, and its blades are curved"},
            "unsharp_mask": {"sigma_px": 2.0, "amount": 1.0, "blind": True},
        },
    }


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def test_the_page_needs_nothing_but_itself_and_says_what_it_is_of(layout: Layout) -> None:
    page = layout.write()
    links = re.findall(r'(?:src|href)="([^"]*)"', page) + re.findall(r"url\(([^)]*)\)", page)
    assert all(link.startswith("data:") for link in links)
    assert page.count("data:image/") == 27
    for said in (NAME, "step 400", "2 cores", "on 2 images, where restored has ", "of 2 of the 12"):
        assert said in page
    assert NASTY not in page
    assert "&lt;img src=x" in page


def test_every_tag_is_closed(layout: Layout) -> None:
    void = {"meta", "link", "img", "input", "br"}

    class Checker(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.stack: list[str] = []

        def handle_startendtag(self, tag: str, _attributes: list) -> None:
            """A tag that closes itself, as SVG's do."""

        def handle_starttag(self, tag: str, _attributes: list) -> None:
            if tag not in void:
                self.stack.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.stack.pop() == tag

    checker = Checker()
    checker.feed(layout.write())
    assert not checker.stack


def test_large_pictures_are_reduced_for_the_page(layout: Layout) -> None:
    rng = np.random.default_rng(0)
    for path in (layout.page.parent / "restored").glob("*.png"):
        write_picture(path, rng.integers(0, 256, (1024, 1024, 3), np.uint8))
    assert len(layout.write()) < 9 * 1_000_000


@pytest.mark.parametrize("kind", ["pipe", "huge", "damaged"])
def test_a_picture_that_is_none_is_one_line(layout: Layout, kind: str) -> None:
    path = layout.data.sharp_path("image-5")
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "huge":  # 900 megapixels in a file of 110 kB
        Image.new("1", (30_000, 30_000)).save(path, "PNG")
    else:
        path.write_bytes(b"\xff\xd8\xff")
    with pytest.raises((OSError, DamagedRecordError), match=r"image-5\.jpg"):
        layout.write()


def test_the_radius_curve_is_shown(layout: Layout) -> None:
    assert "over the strength of the blur" not in layout.write()
    layout.add("run", [1.0, 2.0], "disc-r10")
    path = layout.run_dir / "evaluation" / "disc-r10" / "metrics.json"
    write_json(path, metrics_of(2, "disc-r10") | {"blur": {"radius_px": 10}})
    page = layout.write()
    assert "PSNR, dB over the strength of the blur" in page
    assert "equal pictures are left out" in page


@pytest.mark.parametrize("content", ["damaged", '{"real": {}}', '{"real": 3, "gains": []}'])
def test_another_evaluation_that_is_damaged_is_left_out(layout: Layout, capsys, content) -> None:
    write_text(layout.run_dir / "evaluation" / "real-pairs" / "metrics.json", content)
    assert "real-pairs" not in layout.write()
    assert "left out: " in capsys.readouterr().out
    assert list(read_evaluations(layout.run_dir)) == [NAME]


# Charts.


def test_charts_of_a_training_that_still_writes_its_log(layout: Layout) -> None:
    path = layout.run_dir / "log.csv"
    columns = "step,epoch,generator_loss,adversarial_loss,l1,discriminator_loss,"
    columns += "validation_psnr_db,validation_haarpsi\n"
    assert training_charts(path) == []
    write_text(path, columns)
    assert training_charts(path) == []
    first = "50,1,9,0,0.1,0,,\n100,2,8,0,0.1,0,24.5,0.6\n"
    write_text(path, columns + first + "150,3,8,0.")
    # A single validation is no curve, and neither is a term that the run has not.
    assert [chart["title"] for chart in training_charts(path)] == ["mean absolute error, of 2"]
    write_text(path, columns + first + "150,3,8,0.7,0.1,0.6,24.6,0.7\n")
    assert [chart["title"].split(",")[0] for chart in training_charts(path)] == [
        "validation PSNR",
        "validation HaarPSI",
        "mean absolute error",
        "adversarial losses; ln 2 = 0.69 where the discriminator cannot tell",
    ]
    assert "<polyline" in layout.write()


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3.2, 4.1), (24.1, 24.2), (5, 5), (0, 0)])
def test_ticks_are_few_and_enclose_the_range(low: float, high: float) -> None:
    ticks = nice_ticks(low, high)
    assert ticks[0] <= low <= high <= ticks[-1]
    assert 2 <= len(ticks) <= 10


def test_charts_of_odd_numbers() -> None:
    assert line_chart("t", "x", {"a": [(1, float("nan"))]})["lines"] == []
    assert line_chart("t", "x", {"a": [(1, 2.0)]})["lines"][0]["points"]
    for values in ([0.0], [1.0, 1.0], [-1.0, 3.0], [-2.0, -1.0]):
        bars = histogram("t", "x", values)["bars"]
        assert sum(int(bar["text"].rsplit(" ", 1)[1]) for bar in bars) == len(values)


def test_few_values_have_few_bars_and_no_number_is_cut() -> None:
    assert len(histogram("t", "x", [0.1 * n for n in range(9)])["bars"]) <= 7
    chart = line_chart("t", "x", {"a": [(0, 1), (1_000_000, 2)]})
    for tick in chart["x_ticks"]:
        half_px = 3.5 * len(tick["text"])  # of digits of 12 pixels
        assert 0 <= tick["at"] - half_px < tick["at"] + half_px <= 480


# Runs side by side.


def noisy(layout: Layout, mean: float, number: int = 30) -> list[float]:
    """Gains that differ between images far more than between runs."""
    difficulty = np.random.default_rng(1).normal(25, 4, 30)[:number]
    return (difficulty + mean + layout.rng.normal(0, 0.1, number)).tolist()


def test_pairing_finds_what_separate_intervals_cannot(layout: Layout) -> None:
    for run, mean in (("a", 0.0), ("b", 0.3)):
        layout.add(run, noisy(layout, mean))
    content, _ = layout.compare("a", "b")
    (kernel,) = content["comparisons"]
    first, second = kernel["rows"]
    assert first["differences"]["psnr_db"] == [0, [0, 0]]
    mean, (low, high) = second["differences"]["psnr_db"]
    assert 0 < low < mean < high
    assert mean == pytest.approx(0.3, abs=0.1)
    assert second["scores"]["psnr_db"][1][0] < first["scores"]["psnr_db"][1][1]  # they overlap


def test_images_that_not_all_have_are_left_out(layout: Layout) -> None:
    layout.add("a", noisy(layout, 0.0))
    layout.add("b", noisy(layout, 0.3, 20))
    content, page = layout.compare("a", "b")
    assert content["comparisons"][0]["num_images"] == 20
    assert content["comparisons"][0]["num_left_out"] == 10
    assert "10 images were not evaluated" in page


def test_where_no_runs_are_named_all_that_were_evaluated_are_compared(layout: Layout) -> None:
    layout.add("b", [1.0, 2.0], "disc-r10")
    layout.add("c", [3.0, 2.0], "disc-r10")
    (layout.runs_dir / "new").mkdir()
    content, _ = layout.compare()
    assert content["runs"] == ["b", "c", "run"]
    [comparison] = content["comparisons"]  # the one set that several were evaluated on
    assert comparison["kernel"] == "disc-r10"
    assert [row["run"] for row in comparison["rows"]] == ["b", "c"]


def test_what_cannot_be_compared_is_said(layout: Layout) -> None:
    with pytest.raises(NothingToCompareError, match="two or more"):
        layout.compare("run", "run")
    with pytest.raises(NothingToCompareError, match="make evaluate RUN=none"):
        layout.compare("run", "none")
    layout.add("b", [1.0], "disc-r10")
    with pytest.raises(NothingToCompareError, match="no two runs were evaluated on the same set"):
        layout.compare("run", "b")


# In a browser.


@needs_browser
def test_sliders_and_table_work_in_a_browser(layout: Layout) -> None:
    layout.write()
    at = "return document.querySelector('.slider').style.getPropertyValue('--at')"
    first = "return document.querySelector('table.sortable tbody td').textContent"
    gain = "table.sortable th:nth-child(3) button"
    with Browser() as browser:
        browser.open(layout.page)
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


@needs_browser
def test_nothing_sticks_out_on_a_phone(layout: Layout) -> None:
    layout.write()
    with Browser(width=500) as browser:
        browser.open(layout.page)
        script = "return [document.documentElement.scrollWidth, innerWidth]"
        width, window = browser.run(script)
        assert width <= window
