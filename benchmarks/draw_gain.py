"""The plot of gain over radius in README.md, from the curve that `make evaluate` writes.

.venv/bin/python -m benchmarks.draw_gain tf_checkpoints/run-01/evaluation/curve.json docs/gain.svg
"""

import json
import sys
from pathlib import Path

from prepare.records.files import write_text
from train.report.charts import Series, line_chart
from train.report.page import template

# The curves that are drawn, by the settings beside the radius, with a color for any background.
LIGHTS: list[tuple[dict, str, str]] = [
    ({}, "blurred in encoded values", "#0b62c4"),
    ({"linear": True}, "blurred in linear light", "#b3541e"),
]
METHODS = {"restored": "the network", "richardson_lucy": "Richardson-Lucy, given the blur"}
TITLE = "Gain over the blurred picture in PSNR, dB"
X_LABEL = "radius, pixels of a 1024-pixel-wide original"


def gains_of(points: list[dict], method: str) -> Series:
    """(radius, gain) of a method over the blurred pictures; at radius 0 there is none to have."""
    return [
        (point["radius_px"], point["rows"][method]["psnr_db"] - point["rows"]["blurred"]["psnr_db"])
        for point in points
        if point["radius_px"] > 0 and method in point["rows"]
    ]


def plot_of(curve: dict) -> str:
    """An SVG drawing, on paper of its own, of the curves whose blur is among LIGHTS."""
    points_of = {json.dumps(each["blur"]): each["points"] for each in curve["curves"]}
    if not any(json.dumps(blur) in points_of for blur, *_ in LIGHTS):
        raise ValueError("no curve is of a plain blur, or of one in linear light")
    series: dict[str, Series] = {}
    pens: dict[str, dict] = {}
    for blur, light, color in LIGHTS:
        for method, label in METHODS.items():
            name = f"{label}; {light}"
            series[name] = gains_of(points_of.get(json.dumps(blur), []), method)
            pens[name] = {"color": color, "told": method != "restored"}
    chart = line_chart(TITLE, X_LABEL, series | {"zero": [(0, 0)]})
    lines = [line | pens[line["name"]] for line in chart["lines"] if line["name"] in pens]
    return template("gain.svg.j2", Path(__file__).parent).render(chart=chart, lines=lines)


def draw_gain(curve_path: Path, plot_path: Path) -> None:
    """Writes the plot of a run's `curve.json`."""
    write_text(plot_path, plot_of(json.loads(curve_path.read_text())))
    print(plot_path)


if __name__ == "__main__":
    draw_gain(Path(sys.argv[1]), Path(sys.argv[2]))
