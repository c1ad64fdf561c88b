"""What each setting of a lens blur may be."""

import math
from collections.abc import Mapping
from typing import Any

from prepare.records.errors import require
from prepare.records.spread import Spread, number_text

SHAPES = {0: "disc", 3: "triangle", 4: "square", 5: "pentagon", 6: "hexagon"}
SHAPES |= {7: "heptagon", 8: "octagon", 9: "nonagon"}
NOISE_KINDS = ("gaussian", "uniform", "photon")
LIMITS = {  # of the numbers; what is drawn lies between them as well
    "radius_px": (0, 512),
    "curvature": (0, 100),
    "rotation": (0, 360),
    "brightness": (0, 100),
    "threshold": (0, 255),
    "noise": (0, 100),
    "focus": (0, 255),
    "softness": (0, 100),
    "rim": (-100, 100),
    "vignetting": (0, 100),
    "fringe": (-50, 50),
    "gamma": (0, 4),
    "layers": (1, 4),
    "coarseness": (0, 5),
    "sharpening": (0, 500),
    "jpeg": (0, 100),
}
SWITCHES = ("monochromatic", "linear", "subsampling")
APERTURE = ("blades", "curvature", "rotation", "softness", "rim", "vignetting")
IDLE = (  # settings that change no picture where others have these values
    ((*APERTURE, "fringe"), {"radius_px": 0, "layers": 1, "depth": False}),
    (("curvature",), {"blades": 0}),
    (("rotation",), {"blades": 0, "vignetting": 0}),
    (("brightness",), {"threshold": 255}),
    (("threshold",), {"brightness": 0}),
    (("gamma",), {"linear": False}),
    (("noise_kind", "monochromatic", "coarseness"), {"noise": 0}),
    (("subsampling",), {"jpeg": 0}),
)
WHOLE = {"blades", "layers", "jpeg", *SWITCHES}  # drawn as whole numbers


def shown(value: object) -> object:
    """A setting's value as it is typed."""
    if isinstance(value, Spread):
        return str(value)
    if isinstance(value, bool):
        return int(value)
    return number_text(value) if isinstance(value, float) and math.isfinite(value) else value


def settled(name: str, value: Any) -> Any:
    """A setting's value in its own type, a spread as a `Spread`."""
    if isinstance(value, (tuple, list)):
        spread = Spread.of_plain(value)
        lowest = [part[0] <= part[1] for part in spread if not isinstance(part, str)]
        require(all(lowest), name, "a range from low to high", spread)
        if len(set(spread)) > 1 or len(set(spread.numbers)) > 1:
            return spread
        value = spread[0] if isinstance(spread[0], str) else spread[0][0]
    if value is None or isinstance(value, str):
        return value
    if name in SWITCHES and value in (0, 1):
        return bool(value)
    if name in WHOLE:
        return int(value) if value == value // 1 else value
    return float(value) + 0.0


def idle_settings(values: Mapping[str, Any]) -> set[str]:
    """The settings, of all settings by name, that change no picture; none that is drawn."""
    return {
        name
        for names, where in IDLE
        if all(values[other] == value for other, value in where.items())
        for name in names
        if not isinstance(values[name], Spread)
    }


def check_value(name: str, value: Any) -> None:
    """Raises SettingError if a setting may not have a value, or the ends of a range."""
    ends = value if isinstance(value, tuple) else (value,)
    for end in ends:
        if name == "noise_kind":
            require(end in NOISE_KINDS, name, " or ".join(NOISE_KINDS), end)
        elif name == "blades":
            require(end in SHAPES, name, "0 (disc) or 3 to 9", shown(end))
        elif name in SWITCHES:
            require(end in (0, 1), name, "0 or 1", shown(end))
        elif name != "focus" or end is not None:
            low, high = LIMITS[name]
            pixels = " (pixels)" if name == "radius_px" else ""
            expected = f"a number between {low} and {high}{pixels}"
            is_number = isinstance(end, (int, float)) and low <= end <= high
            require(is_number, name, expected, shown(end))
    if name in WHOLE and isinstance(value, tuple):
        require(all(end % 1 == 0 for end in ends), name, "whole numbers", shown(Spread([value])))
    if name == "blades" and isinstance(value, tuple):
        within = value[0] == value[1] or value[0] >= 3
        require(within, name, "0, or a range within 3-9", shown(Spread([value])))
