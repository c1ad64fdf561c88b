"""Settings of blurred sets, drawn at random, that are all allowed."""

from prepare.records.blur import SHAPES, LensBlur


def drawn_blur(rng):
    """Settings within their ranges, any of them left at its default half of the time."""
    ranges = {"curvature": 100, "rotation": 360, "brightness": 100, "threshold": 255, "noise": 100}
    values = {
        name: round(rng.uniform(0, high), int(rng.integers(4))) for name, high in ranges.items()
    }
    values |= dict.fromkeys(("monochromatic", "linear", "depth"), True)
    values |= {"noise_kind": "uniform", "blades": int(rng.choice(list(SHAPES)))}
    values = {name: value for name, value in values.items() if rng.random() < 0.5}
    if values.get("depth") and rng.random() < 0.5:
        values["focus"] = round(rng.uniform(0, 255), 1)
    low, high = sorted(rng.uniform(0, 512, 2).round(int(rng.integers(3))))
    return LensBlur((low, high) if low < high and rng.random() < 0.3 else low, **values)
