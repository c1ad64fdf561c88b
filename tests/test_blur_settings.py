"""Settings and names of blurred sets."""

import math
from dataclasses import asdict
from itertools import product

import numpy as np
import pytest
from helpers.pair_files import photo_u8

from prepare.blur.lens_blur import blur_and_reduce
from prepare.records.blur import LensBlur
from prepare.records.ranges import Spread


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "disc-r30"),
        ({"radius_px": -0.0}, "disc-r0"),
        ({"radius_px": 33.5, "blades": 6}, "hexagon-r33.5"),
        ({"linear": True}, "disc-r30-linear"),
        ({"radius_px": (10, 40)}, "disc-r10-40"),
        ({"noise": 2.5, "noise_kind": "uniform"}, "disc-r30-noise2.5-uniform"),
        ({"depth": True, "focus": 128}, "disc-r30-depth-focus128"),
    ],
)
def test_names_of_sets(settings, name):
    assert LensBlur(**settings).name == name


def test_different_settings_have_different_names():
    choices = {
        "radius_px": [30, 0.00001, 30.000001, (3, 30), (3, 300)],
        "blades": [0, 6],
        "curvature": [0, 50],
        "rotation": [0, 5],
        "brightness": [0, 5],
        "threshold": [255, 200],
        "noise": [0, 5],
        "noise_kind": ["gaussian", "uniform"],
        "linear": [False, True],
    }
    blurs = {LensBlur(**dict(zip(choices, c, strict=True))) for c in product(*choices.values())}
    assert len({blur.name for blur in blurs}) == len(blurs)
    assert all("/" not in blur.name and " " not in blur.name for blur in blurs)


IDLE = [
    ({"gamma": 2.2}, {}),
    ({"jpeg": 0, "subsampling": True}, {}),
    ({"curvature": 40, "rotation": 10}, {}),
    ({"curvature": 40, "rotation": 10, "vignetting": 30}, {"rotation": 10, "vignetting": 30}),
    ({"brightness": 20}, {}),
    ({"threshold": 200}, {}),
    ({"noise_kind": "photon", "monochromatic": True, "coarseness": 1}, {}),
    (
        {"radius_px": 0, "blades": 6, "curvature": 9, "rotation": 8, "softness": 7, "rim": 6,
         "vignetting": 5, "fringe": 4, "linear": True, "gamma": 2},
        {"radius_px": 0, "linear": True, "gamma": 2},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "same"), IDLE)
def test_settings_that_change_no_picture_are_left_out_and_change_none(settings, same):
    blur, plain = LensBlur(**settings), LensBlur(**same)
    assert blur.simplified == plain == plain.simplified
    one, other = blur_and_reduce(photo_u8(0, 256), [blur, plain], 64, "a")
    np.testing.assert_array_equal(one, other)


def test_settings_that_may_change_pictures_stay():
    for settings in (
        {"gamma": Spread([(1.8, 2.4)])},  # its name may be that of a set which is there
        {"gamma": 2.2, "linear": Spread([(0, 0), (1, 1)])},
        {"curvature": 40, "blades": Spread([(0, 0), (6, 6)])},
        {"curvature": 40, "rotation": 10, "blades": 6},
        {"radius_px": 0, "blades": 6, "layers": 2},
        {"radius_px": 0, "blades": 6, "depth": True},
        {"brightness": 20, "threshold": 200},
        {"noise": 1, "noise_kind": "photon", "monochromatic": True, "coarseness": 1},
        {"jpeg": 90, "subsampling": True},
        {"recipe": "wild", "gamma": 2.2},
    ):
        assert LensBlur(**settings).simplified == LensBlur(**settings)


def test_equal_settings_are_equal_however_they_are_written():
    assert LensBlur(30) == LensBlur(30.0) == LensBlur()
    assert LensBlur([10, 40]) == LensBlur((10.0, 40))
    blur = LensBlur((10, 40), blades=7, depth=True)
    assert LensBlur(**asdict(blur)) == blur


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"radius_px": -1}, "radius_px must be a number between 0 and 512, got -1"),
        ({"radius_px": math.nan}, "radius_px .*, got nan"),
        ({"radius_px": (40, 10)}, "radius_px must be a number .*, got 40-10"),
        ({"blades": 2}, "blades must be 0 or 3 or 4 .* or 9, got 2"),
        ({"curvature": 101}, "curvature must be a number between 0 and 100, got 101"),
        ({"noise_kind": "salt"}, "noise_kind must be gaussian or uniform or photon, got salt"),
        ({"focus": 10}, "focus must be given with --depth"),
    ],
)
def test_bad_settings_are_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        LensBlur(**settings)


def test_random_radii_have_two_decimals_and_depend_on_the_id_alone():
    blur, linear = LensBlur((10, 40)), LensBlur((10, 40), linear=True)
    radii = [blur.sample(f"{number:05d}").radius_px for number in range(100)]
    assert radii == [linear.sample(f"{number:05d}").radius_px for number in range(100)]
    assert radii == [round(radius, 2) for radius in radii] != [round(radius, 1) for radius in radii]
    assert len(set(radii)) > 90
    assert LensBlur(12.5).sample("00007").radius_px == 12.5
