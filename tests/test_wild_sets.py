"""Sets whose settings are drawn for each image, from `make blur` to `make train`."""

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers.pair_files import photo_u8, write_photos

import pipeline
from prepare.blur.lens_blur import blur_and_reduce, reduce_photo
from prepare.records.blur import LensBlur, OutputSettings
from prepare.records.ranges import Spread
from prepare.records.sets import (
    WILD,
    KernelRecord,
    NoSuchSetError,
    choose_sets,
    read_kernel,
    recipe_set,
)
from prepare.records.settings import DamagedRecordError

RANGES = ["--radius", "0-45", "--blades", "0,5-9", "--curvature", "0-100", "--linear", "0,1"]
RANGES += ["--noise", "0-3", "--noise-kind", "gaussian,photon", "--size", "32"]
LONG = [
    word
    for name in WILD.spreads
    if name not in ("radius_px", "layers")
    for word in (f"--{name.replace('_', '-')}", str(WILD.spreads[name]))
]
NAME = "mixed-r0-45-blades0,5-9-curvature0-100-noise0-3-gaussian,photon-linear0,1"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wild")
    names = [f"{index:02d}.png" for index in range(6)]
    photos = write_photos(folder / "photos", names, height=64)
    words = ["--source", "folder", "--from", str(photos), "--num-images", "6", "--size", "32"]
    assert pipeline.main(["dataset", "--data-dir", str(folder / "data"), *words]) == 0
    return folder / "data"


def blur(data_dir, *words):
    return pipeline.main(["blur", "--data-dir", str(data_dir), *words])


def pictures(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.jpg"))}


def test_any_setting_may_be_a_range_or_a_choice_and_is_recorded(data_dir):
    assert blur(data_dir, *RANGES) == 0
    folder = data_dir / "blurred_resized" / NAME
    assert len(pictures(folder)) == 6
    record = read_kernel(folder)
    assert record.blur.name == NAME
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    drawn_names = {"id", "radius_px", "blades", "curvature", "linear", "noise", "noise_kind"}
    for line in lines:
        assert set(line) == drawn_names
        assert line["blades"] in (0, 5, 6, 7, 8, 9)
        assert 0 <= line["radius_px"] <= 45
    assert len({line["radius_px"] for line in lines}) == 6


def test_what_is_recorded_is_what_was_done():
    drawn_blur = LensBlur(
        Spread([(5, 45)]), blades=Spread([(5, 9)]), linear=Spread([(0, 0), (1, 1)])
    )
    photo = photo_u8(0, 256)
    for image_id in ("00000", "00001", "a face"):
        told = drawn_blur.sample(image_id)
        assert not told.spreads
        for one, other in zip(
            *(blur_and_reduce(photo, [b], 64, image_id) for b in (drawn_blur, told)), strict=True
        ):
            np.testing.assert_array_equal(one, other)


def test_draws_of_the_recipe_differ_and_are_the_same_on_any_number_of_workers(data_dir):
    assert blur(data_dir, "--kernel", "wild", "--draws", "2", "--size", "32", "--workers", "1") == 0
    sets = data_dir / "blurred_resized"
    first, second = (pictures(sets / f"wild-{draw:02d}") for draw in (1, 2))
    assert len(first) == len(second) == 6
    assert first != second
    for path in (sets / "wild-02").glob("*.jpg"):
        path.unlink()
    assert blur(data_dir, "--kernel", "wild", "--draws", "3", "--size", "32", "--workers", "3") == 0
    assert pictures(sets / "wild-02") == second
    assert read_kernel(sets / "wild-03").make_command == "make blur KERNEL=wild DRAWS=3 SIZE=32"


def test_ranges_may_begin_with_a_minus(data_dir):
    words = ["--rim", "-60--20", "--fringe", "-10,10", "--size", "32"]
    assert blur(data_dir, *words, "--dry-run") == 0


@pytest.mark.parametrize("word", ["wild", "wild-*", "wild*03"])
def test_a_recipe_that_is_missing_is_answered_with_what_makes_it(tmp_path, word):
    with pytest.raises(NoSuchSetError, match="run `make blur KERNEL=wild DRAWS=12`"):
        choose_sets(tmp_path, [word])
    (tmp_path / "wild-01").mkdir()
    with pytest.raises(NoSuchSetError, match='name all of the recipe with KERNEL="wild-\\*"'):
        choose_sets(tmp_path, ["wild"])


@pytest.mark.parametrize(
    "damage",
    [
        *({"radius_px": value} for value in ([], [[]], [[1, 2, 3]], "30", None, 600)),
        *({"draw": value} for value in (2.0, 0, 1000)),
        *({"size": value} for value in (64.5, 64.0, "64", 0)),
        *({"depth": value} for value in ("x", 1, None)),
        *({name: None} for name in ("kernel", "border", "quality", "linear")),
        *({"kernel": "disc-r30"}, {"more": 1}),
    ],
)
def test_kernel_record_that_is_not_as_it_was_written_is_damaged(tmp_path, damage):
    KernelRecord(WILD, OutputSettings()).write(tmp_path)
    content = json.loads((tmp_path / "kernel.json").read_text())
    for odd in (content | damage, {}, {k: v for k, v in content.items() if k not in damage}):
        if odd != content:
            (tmp_path / "kernel.json").write_text(json.dumps(odd))
            with pytest.raises(DamagedRecordError, match=r"kernel\.json is damaged \(.*; run"):
                read_kernel(tmp_path)


def test_only_what_changes_the_psf_takes_it_away():
    output = OutputSettings()
    one_psf = LensBlur(30, noise=Spread([(0, 3)]), jpeg=Spread([(60, 90)]))
    assert KernelRecord(one_psf, output).why_no_psf() is None
    for name in ("radius_px", "blades", "softness"):
        why = KernelRecord(LensBlur(**{name: Spread([(3, 5), (6, 8)])}), output).why_no_psf()
        assert "differs from image to image" in why


def test_every_image_can_be_drawn_for_however_long_what_is_drawn_is():
    longest = {"brightness": 33.33, "threshold": 240.44, "noise": 1.11, "coarseness": 0.77}
    longest |= {"softness": 22.22, "rim": -33.33, "vignetting": 33.33, "fringe": -9.99}
    longest |= {"gamma": 2.22, "linear": True, "sharpening": 44.44, "jpeg": 77, "layers": 3}
    settings = replace(WILD, radius_px=Spread.of_text("10-46"), **longest)
    assert all(settings.sample(f"{index:05d}").noise == 1.11 for index in range(50))


def test_a_sharp_draw_is_the_sharp_half_itself():
    photo = photo_u8(0, 256)
    names = [f"{number:03d}" for number in range(60)]
    sharp_ids = [name for name in names if WILD.sample(name) == LensBlur(0)]
    assert 2 <= len(sharp_ids) <= 25
    [copy] = blur_and_reduce(photo, [WILD], 64, sharp_ids[0])
    np.testing.assert_array_equal(copy, reduce_photo(photo, 64))


def test_every_second_set_of_the_recipe_is_of_the_lens_alone():
    kinds = [recipe_set("wild", number) for number in (1, 2, 3, 4)]
    assert [kind.name for kind in kinds] == ["wild-01", "wild-02", "wild-03", "wild-04"]
    assert [kind.spreads == WILD.spreads for kind in kinds] == [True, False, True, False]
    for kind in kinds[1::2]:
        assert set(kind.spreads) == {"radius_px", "blades", "curvature", "rotation", "linear"}
        drawn = kind.sample("00000")
        assert (drawn.noise, drawn.jpeg, drawn.softness, drawn.layers) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--kernel", "wild", "--blades", "5"], "--kernel must be given alone"),
        (["--kernel", "tame"], "choose from 'wild'"),
        (["--draws", "3"], "--draws must be 1 where nothing is drawn; give a range"),
        (
            ["--draws", "99999999", "--kernel", "wild"],
            "--draws must be a whole number",
        ),
        (["--blades", "0-3"], "--blades must be 0, or a range within 3-9, got 0-3"),
        (["--jpeg", "0.5-98"], "--jpeg must be whole numbers, got 0.5-98"),
        (LONG, "a recipe, as in KERNEL=wild, since so many ranges make too long a name"),
        (["--blades", "0-9"], "--blades must be 0, or a range within 3-9, got"),
        (["--blades", "5-10"], "--blades must be 0 (disc) or 3 to 9, got 10"),
        (["--radius", "0-600"], "--radius must be a number between 0 and 512 (pixels), got 600"),
        (["--linear", "yes"], "--linear must be 0 or 1, got yes"),
        (["--noise", "gaussian"], "--noise must be a number between 0 and 100, got gaussian"),
        (["--noise-kind", "gaussian,salt"], "--noise-kind must be gaussian or"),
        (
            ["--noise", "5-"],
            "expected a number, a range as in 10-40, low to high, or a choice as in 0,5-8",
        ),
        (["--layers", "2", "--depth", "maps"], "--layers must be 1 with --depth"),
    ],
)
def test_wrong_spreads_are_told_in_a_line(data_dir, capsys, words, message):
    with pytest.raises(SystemExit) as ended:
        raise SystemExit(blur(data_dir, *words))
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
