"""Runs side by side: pairing by image, what is left out, and the page."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from helpers.browser import Browser, browser_is_installed

from prepare.records.files import write_json
from train.dataset import write_picture
from train.report.compare import NothingToCompareError, compare
from train.report.template import METRIC_NAMES


class Runs:
    """Evaluated runs made of noise, all on the same images."""

    def __init__(self, folder: Path) -> None:
        self.runs_dir, self.sharp, self.blurred = (folder / n for n in ("runs", "sharp", "blurred"))
        self.rng = np.random.default_rng(0)
        self.difficulty = self.rng.normal(25, 4, 30)

    def add(self, run: str, gain: float, num_images: int = 30, kernel: str = "disc-r30") -> Path:
        folder = self.runs_dir / run / "evaluation" / kernel
        folder.mkdir(parents=True)
        with (folder / "per_image.csv").open("w", newline="") as file:
            columns = ["id", *(f"restored_{name}" for name in METRIC_NAMES)]
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            for index in range(num_images):
                score = self.difficulty[index] + gain + self.rng.normal(0, 0.1)
                writer.writerow({"id": f"i{index}"} | dict.fromkeys(columns[1:], score))
                for path in (
                    folder / "restored" / f"i{index}.png",
                    self.blurred / kernel / f"i{index}.jpg",
                    self.sharp / f"i{index}.jpg",
                ):
                    picture = self.rng.integers(0, 256, (16, 16, 3), np.uint8)
                    write_picture(path, picture)
        write_json(folder / "metrics.json", {"step": 100, "seed": 0})
        return self.runs_dir / run

    def compare(self, *run_dirs: Path) -> tuple[dict, Path]:
        page = compare(run_dirs, self.sharp, self.blurred, self.runs_dir / "out")
        return json.loads((self.runs_dir / "out" / "comparison.json").read_text()), page


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def test_pairing_finds_what_separate_intervals_cannot(runs: Runs) -> None:
    content, _ = runs.compare(runs.add("a", 0.0), runs.add("b", 0.3))
    (kernel,) = content["comparisons"]
    first, second = kernel["rows"]
    assert first["differences"]["psnr_db"] == [0, [0, 0]]
    mean, (low, high) = second["differences"]["psnr_db"]
    assert 0 < low < mean < high
    assert mean == pytest.approx(0.3, abs=0.1)
    assert second["scores"]["psnr_db"][1][0] < first["scores"]["psnr_db"][1][1]  # they overlap


def test_images_that_not_all_have_are_left_out(runs: Runs) -> None:
    content, page = runs.compare(runs.add("a", 0.0), runs.add("b", 0.3, num_images=20))
    assert content["comparisons"][0]["num_images"] == 20
    assert content["comparisons"][0]["num_left_out"] == 10
    assert "10 images were not evaluated" in page.read_text()


def test_what_cannot_be_compared_is_said(runs: Runs) -> None:
    first = runs.add("a", 0.0)
    with pytest.raises(NothingToCompareError, match="two or more"):
        runs.compare(first, first)
    with pytest.raises(NothingToCompareError, match="make evaluate RUN=none"):
        runs.compare(first, runs.runs_dir / "none")
    with pytest.raises(NothingToCompareError, match="no common kernel"):
        runs.compare(first, runs.add("b", 0.0, kernel="disc-r10"))


@pytest.mark.skipif(not browser_is_installed(), reason="needs chromium-driver")
def test_the_table_sorts_in_a_browser(runs: Runs) -> None:
    _, page = runs.compare(*(runs.add(name, gain) for name, gain in (("a", 1), ("b", 3), ("c", 2))))
    first = "return document.querySelector('table.sortable tbody td').textContent"
    with Browser() as browser:
        browser.open(page)
        assert browser.run(first) == "a"
        browser.click("table.sortable th:nth-child(3) button")
        assert browser.run(first) == "b"
        assert browser.complaints() == []
