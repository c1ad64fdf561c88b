"""The charts of the report, as coordinates of an SVG drawing of 480 x 260."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prepare.records.jsonl import read_log

LEFT, RIGHT, TOP, BOTTOM = 56.0, 450.0, 10.0, 214.0  # to the right is room for half a number
MOST_BINS = 20
# Charts of a training: of each the lines by name, and the columns of `log.csv` that they show.
OF_TRAINING = {
    "validation PSNR, dB": {"restored": "validation_psnr_db"},
    "validation HaarPSI": {"restored": "validation_haarpsi"},
    "mean absolute error, for values in -1..1": {"l1": "l1"},
    "adversarial losses; ln 2 = 0.69: the discriminator guesses": {
        "generator": "adversarial_loss",
        "discriminator": "discriminator_loss",
    },
}

Series = Sequence[tuple[float, float]]


def training_charts(log_path: Path) -> list[dict]:
    """Charts of the losses and the validation scores, from as much of `log.csv` as there is.

    A single point is no curve, and neither is the zero of a term that a run has not.
    """
    rows = read_log(log_path, "restore it, or remove it to get the page without it")
    charts = []
    for title, columns in OF_TRAINING.items():
        lines = {}
        for name, column in columns.items():
            points = [(float(row["step"]), float(row[column])) for row in rows if row.get(column)]
            if len(points) > 1 and any(value for _, value in points):
                lines[name] = points
        charts.append(line_chart(title, "step", lines))
    return [chart for chart in charts if chart["lines"]]


def line_chart(title: str, x_label: str, lines: Mapping[str, Series], note: str = "") -> dict:
    """The data of a line chart for the template's macro; no lines if there is nothing to draw.

    Lines have their points (x, y) by name; those that are not finite are left out.
    """
    finite = {
        name: kept
        for name, points in lines.items()
        if (kept := [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)])
    }
    chart: dict[str, Any] = {"title": title, "x_label": x_label, "note": note, "lines": []}
    if not finite:
        return chart
    xs, ys = zip(*(point for points in finite.values() for point in points), strict=True)
    x_ticks, y_ticks = nice_ticks(min(xs), max(xs)), nice_ticks(min(ys), max(ys))
    x_ends = (min(xs), max(xs)) if max(xs) > min(xs) else (x_ticks[0], x_ticks[-1])
    y_ends = (y_ticks[0], y_ticks[-1])
    for name, points in finite.items():
        drawn = [(across(x, *x_ends), up(y, *y_ends)) for x, y in points]
        chart["lines"].append({"name": name, "style": name.replace(" ", "-"), "points": drawn})
    shown = [tick for tick in x_ticks if x_ends[0] <= tick <= x_ends[1]]
    chart["x_ticks"] = [{"at": across(x, *x_ends), "text": f"{x:g}"} for x in shown]
    chart["y_ticks"] = [{"at": up(y, *y_ends), "text": f"{y:g}"} for y in y_ticks]
    return chart


def histogram(title: str, x_label: str, values: Sequence[float]) -> dict:
    """A histogram with equal bins, one edge of which is 0.

    There are the more bins the more values there are, so that most hold several.
    """
    ticks = nice_ticks(min(*values, 0.0), max(*values, 0.0))
    num_bins = min(MOST_BINS, math.ceil(2 * math.sqrt(len(values))))
    width = (ticks[-1] - ticks[0]) / num_bins
    first = math.floor(ticks[0] / width)
    edges = width * np.arange(first, first + num_bins + 2)
    counts, _ = np.histogram(values, edges)
    y_ticks = [tick for tick in nice_ticks(0, max(counts)) if tick == int(tick)]
    ends, y_ends = (edges[0], edges[-1]), (0, max(*y_ticks, *counts))
    bars = [
        {
            "x": across(low, *ends),
            "y": up(count, *y_ends),
            "width": round(across(high, *ends) - across(low, *ends) - 1, 1),
            "height": round(BOTTOM - up(count, *y_ends), 1),
            "negative": high <= width / 2,
            "text": f"{low:.2f} to {high:.2f}: {count}",
        }
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    return {
        "title": title,
        "x_label": x_label,
        "bars": bars,
        "x_ticks": [{"at": across(x, *ends), "text": f"{x:g}"} for x in ticks],
        "y_ticks": [{"at": up(y, *y_ends), "text": f"{y:g}"} for y in y_ticks],
    }


def nice_ticks(low: float, high: float) -> list[float]:
    """Four to ten round numbers (steps of 1, 2 or 5 times a power of ten) that enclose a range."""
    span = high - low if high > low else abs(low) * 0.1 or 1.0
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= 6)
    first, last = math.floor(low / step), math.ceil(high / step)
    last = max(last, first + 1)
    return [round(k * step, 10) for k in range(first, last + 1)]


def across(x: float, low: float, high: float) -> float:
    """Where a value is on the horizontal axis."""
    return round(LEFT + (RIGHT - LEFT) * (x - low) / (high - low), 1)


def up(y: float, low: float, high: float) -> float:
    """Where a value is on the vertical axis."""
    return round(BOTTOM - (BOTTOM - TOP) * (y - low) / (high - low), 1)
