"""The figures of the documents: what draws them runs, and shows what it should."""

import json
import re
import shlex
import subprocess
from xml.etree import ElementTree

from helpers.pair_files import ROOT
from PIL import Image

import pipeline
from benchmarks.draw_gain import draw_gain
from benchmarks.draw_portrait import draw_portrait
from benchmarks.draw_settings import draw_settings

SVG = "{http://www.w3.org/2000/svg}"


def test_settings_are_drawn(tmp_path):
    draw_settings(tmp_path, side=512)
    for name in ("apertures", "cameras"):
        with (
            Image.open(tmp_path / f"{name}.jpg") as figure,
            Image.open(ROOT / f"docs/{name}.jpg") as kept,
        ):
            assert figure.size == kept.size
            assert len(figure.convert("L").getcolors(256)) > 100


def test_the_portrait_is_drawn_and_gains(tmp_path, capsys):
    draw_portrait(tmp_path)
    assert (tmp_path / "portrait.jpg").stat().st_size < 200_000  # small enough to check in
    before, after = re.search(r"([\d.]+) to ([\d.]+) dB", capsys.readouterr().out).groups()
    assert float(after) > float(before) + 3


def test_gains_are_drawn(tmp_path):
    points = [
        {
            "kernel": f"disc-r{radius}",
            "radius_px": float(radius),
            "rows": {"blurred": {"psnr_db": 20.0}, "restored": {"psnr_db": 20.0 + gain}},
        }
        for radius, gain in ((0, -60), (15, 1), (30, 3))
    ]
    curve = {"step": 1, "trained": [], "curves": [{"blur": {}, "points": points}]}
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


def test_the_commands_of_make_figures_are_understood():
    done = subprocess.run(["make", "-n", "figures"], cwd=ROOT, capture_output=True, text=True)
    calls = re.findall(r"^\.venv/bin/python pipeline\.py (.*)$", done.stdout, re.MULTILINE)
    parsed = [pipeline.build_parser().parse_args(shlex.split(call)) for call in calls]
    assert [args.subcommand for args in parsed] == ["dataset", "blur", "evaluate"]
    assert parsed[0].seed > 0  # of other pictures than the pretrained network was trained on
    assert parsed[0].radius == parsed[1].radius
    assert (ROOT / parsed[2].runs_dir / parsed[2].run).samefile(pipeline.PRETRAINED_DIR)
