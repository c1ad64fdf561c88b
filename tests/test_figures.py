"""The figures of the documents: what draws them runs, and shows what it should."""

import json
import re
import shlex
import subprocess
from xml.etree import ElementTree

import pytest
from helpers.pair_files import ROOT
from PIL import Image

import pipeline
from benchmarks.draw_gain import draw_gain, plot_of
from benchmarks.draw_settings import draw_settings, shape_of
from prepare.records.blur import LensBlur

SVG = "{http://www.w3.org/2000/svg}"


def curve_of(**gains_by_radius):
    """A run's curve.json of these gains, blurred pictures at 20 dB."""
    points = [
        {
            "kernel": f"disc-{name}",
            "radius_px": float(name.removeprefix("r")),
            "rows": {"blurred": {"psnr_db": 20.0}, "restored": {"psnr_db": 20.0 + gain}},
        }
        for name, gain in gains_by_radius.items()
    ]
    return {"step": 1, "trained": [], "curves": [{"blur": {}, "points": points}]}


def test_a_shape_is_what_a_point_becomes():
    """A disc of 45 is as wide as 64 pixels of the corner; fringes widen red and not green."""
    disc, fringed = shape_of(LensBlur(45)), shape_of(LensBlur(30, fringe=15))
    across = disc[len(disc) // 2, :, 0]
    assert abs(int((across > 127).sum()) - 64) <= 1
    lit = (fringed > 127).sum((0, 1))
    assert lit[0] > lit[1] > lit[2]


def test_settings_are_drawn(tmp_path):
    draw_settings(tmp_path, side=512)
    for name in ("apertures", "cameras"):
        with (
            Image.open(tmp_path / f"{name}.jpg") as figure,
            Image.open(ROOT / f"docs/{name}.jpg") as kept,
        ):
            assert figure.size == kept.size
            assert len(figure.convert("L").getcolors(256)) > 100


def test_gains_are_drawn(tmp_path):
    curve = curve_of(r0=-60, r15=1, r30=3)
    (tmp_path / "curve.json").write_text(json.dumps(curve))
    draw_gain(tmp_path / "curve.json", tmp_path / "gain.svg")
    root = ElementTree.parse(tmp_path / "gain.svg").getroot()
    assert root.tag == f"{SVG}svg"
    [line] = root.iter(f"{SVG}polyline")
    (x15, y15), (x30, y30) = (map(float, point.split(",")) for point in line.get("points").split())
    ticks = {text.text: text for text in root.iter(f"{SVG}text")}
    assert abs(float(ticks["1"].get("y")) - 4 - y15) < 0.2
    assert abs(float(ticks["3"].get("y")) - 4 - y30) < 0.2
    assert x15 < x30


def test_gains_that_are_none_are_not_drawn():
    with pytest.raises(ValueError, match="no curve"):
        plot_of({"step": 1, "trained": [], "curves": []})
    kept = ElementTree.parse(ROOT / "docs/gain.svg").getroot()
    assert len(list(kept.iter(f"{SVG}polyline"))) == 4  # two lights, two methods


def test_the_commands_of_make_figures_are_understood():
    done = subprocess.run(["make", "-n", "figures"], cwd=ROOT, capture_output=True, text=True)
    calls = re.findall(r"^\.venv/bin/python pipeline\.py (.*)$", done.stdout, re.MULTILINE)
    parsed = [pipeline.build_parser().parse_args(shlex.split(call)) for call in calls]
    assert [args.subcommand for args in parsed] == ["dataset", "blur", "evaluate"]
    assert parsed[0].seed > 0  # of other pictures than the pretrained network was trained on
    assert parsed[0].radius == parsed[1].radius
    assert (ROOT / parsed[2].runs_dir / parsed[2].run).samefile(pipeline.PRETRAINED_DIR)
