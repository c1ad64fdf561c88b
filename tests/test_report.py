"""The report's page: what it says, that it is safe and whole, and that it works in a browser."""

import csv
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from helpers.browser import ARROW_RIGHT, Browser, browser_is_installed

from prepare.records.files import write_json, write_text
from train.dataset import write_picture
from train.evaluation.metrics import SCORES
from train.report.charts import histogram, line_chart, nice_ticks
from train.report.page import NoEvaluationError, write_report
from train.report.training import training_charts

METRICS = SCORES[:-1]  # as of before ripples were measured
NASTY = "<img src=x onerror=alert(1)>"  # no slash, which no file name may hold
needs_browser = pytest.mark.skipif(not browser_is_installed(), reason="needs chromium-driver")


class Layout:
    """An evaluated run made of noise, with one image's name meant to break the page."""

    def __init__(self, folder: Path, num_images: int = 12) -> None:
        rng = np.random.default_rng(0)
        self.run_dir, self.sharp, self.blurred = (folder / n for n in ("run", "sharp", "blurred"))
        self.evaluation = self.run_dir / "evaluation" / "disc-r30"
        ids = [NASTY, *(f"image-{i}" for i in range(1, num_images))]
        rows = []
        for index, image_id in enumerate(ids):
            write_picture(self.sharp / f"{image_id}.jpg", _noise(rng))
            write_picture(self.blurred / f"{image_id}.jpg", _noise(rng))
            write_picture(self.evaluation / "restored" / f"{image_id}.png", _noise(rng))
            values = {f"blurred_{name}": 1.0 for name in METRICS}
            values |= {f"restored_{name}": 1.0 + (index * 7) % 12 for name in METRICS}
            rows.append({"id": image_id} | values)
        with (self.evaluation / "per_image.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        write_json(self.evaluation / "metrics.json", metrics_of(num_images))
        self.page = self.evaluation / "report.html"

    def write(self) -> str:
        write_report(self.run_dir, self.evaluation, self.sharp, self.blurred)
        return self.page.read_text(encoding="utf-8")


def _noise(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (32, 32, 3), np.uint8)


def metrics_of(num_images: int) -> dict:
    row = dict.fromkeys(METRICS, 1.5) | {f"{name}_ci95": [1.0, 2.0] for name in METRICS}
    return {
        "kernel": "disc-r30",
        "blur": {"radius_px": 30.0, "linear": False, "border": "replicate", "quality": 95},
        "step": 400,
        "seed": 0,
        "split": "test",
        "num_images": num_images,
        "size": 32,
        "hardware": "2 cores",
        "seconds": 1.0,
        "date": "2026-01-01T00:00:00+00:00",
        "rows": {"blurred": row, "restored": row, "unsharp_mask": row},
        "gains": {"blurred": row, "unsharp_mask": row},
        "baselines": {
            "wiener": {"left_out": "needs one PSF for the set, and its blades are curved"},
            "unsharp_mask": {"sigma_px": 2.0, "amount": 1.0, "blind": True},
        },
    }


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def test_the_page_needs_nothing_but_itself(layout: Layout) -> None:
    page = layout.write()
    links = re.findall(r'(?:src|href)="([^"]*)"', page) + re.findall(r"url\(([^)]*)\)", page)
    assert all(link.startswith("data:") for link in links)
    assert page.count("data:image/") == 27
    assert "disc-r30" in page
    assert "step 400" in page
    assert "2 cores" in page


def test_names_are_escaped(layout: Layout) -> None:
    page = layout.write()
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
    for path in (layout.evaluation / "restored").glob("*.png"):
        write_picture(path, rng.integers(0, 256, (1024, 1024, 3), np.uint8))
    assert len(layout.write()) < 9 * 1_000_000


def test_charts_of_a_training_that_still_writes_its_log(layout: Layout) -> None:
    path = layout.run_dir / "log.csv"
    columns = "step,epoch,generator_loss,adversarial_loss,l1,discriminator_loss,"
    columns += "validation_psnr_db,validation_haarpsi\n"
    assert training_charts(path) == []
    write_text(path, columns)
    assert training_charts(path) == []
    write_text(path, columns + "50,1,9,0.7,0.1,0.7,,\n100,2,8,0.7,0.1,0.7,24.5,0.6\n150,3,8,0.")
    titles = [chart["title"] for chart in training_charts(path)]
    assert titles[0] == "validation PSNR, dB"
    assert "<polyline" in layout.write()


def test_the_radius_curve_is_shown(layout: Layout) -> None:
    rows = metrics_of(1)["rows"]
    points = [{"kernel": f"disc-r{r}", "radius_px": r, "rows": rows} for r in (10, 30)]
    curve = {"step": 400, "trained": ["disc-r30"], "curves": [{"blur": {}, "points": points}]}
    write_json(layout.evaluation.parent / "curve.json", curve)
    assert "trained on disc-r30" in layout.write()


@pytest.mark.parametrize("content", ["damaged", '{"real": {}}', '{"real": 3, "gains": []}'])
def test_another_evaluation_that_is_damaged_is_left_out(
    layout: Layout, capsys, content: str
) -> None:
    write_text(layout.evaluation.parent / "real-pairs" / "metrics.json", content)
    assert "real-pairs" not in layout.write()
    assert "left out of the page: " in capsys.readouterr().out


def test_no_evaluation_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(NoEvaluationError, match="make evaluate RUN=run"):
        write_report(tmp_path / "run", tmp_path / "none", tmp_path, tmp_path)
    write_json(tmp_path / "old" / "metrics.json", {"rows": {}})
    with pytest.raises(NoEvaluationError, match="older version"):
        write_report(tmp_path / "run", tmp_path / "old", tmp_path, tmp_path)


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
