"""Blurred sets: what names them, what is drawn for each image, their records, and their choice."""

import json
import shutil
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from helpers.pair_files import photo_u8, read_lines, write_jpeg, write_matched_folders, write_photos

import pipeline
from prepare import PrepareError
from prepare.blur.lens_blur import blur_and_reduce, reduce_photo
from prepare.pairs import PairRecords
from prepare.records.blur import LensBlur, OutputSettings
from prepare.records.ranges import Spread
from prepare.records.sets import (
    WILD,
    KernelRecord,
    choose_sets,
    read_kernel,
    recipe_set,
    set_names,
)
from prepare.records.settings import DamagedRecordError

IDS = [f"{index:02d}" for index in range(10)]
TOY = ["--steps", "2", "--channels", "4", "--blocks", "1", "--crop", "0"]
TOY += ["--gan-weight", "0", "--sample-every", "2"]
RANGES = ["--radius", "0-45", "--blades", "0,5-9", "--curvature", "0-100", "--linear", "0,1"]
RANGES += ["--noise", "0-3", "--noise-kind", "gaussian,photon", "--size", "32"]
LONG = [
    word
    for name in WILD.spreads
    if name not in ("radius_px", "layers")
    for word in (f"--{name.replace('_', '-')}", str(WILD.spreads[name]))
]
NAME = "mixed-r0-45-blades0,5-9-curvature0-100-noise0-3-gaussian,photon-linear0,1"


def run(capsys, *arguments, code=0):
    """What a command prints, in this process."""
    assert pipeline.main([str(word) for word in arguments]) == code
    captured = capsys.readouterr()
    return captured.err.splitlines()[-1] if code else captured.out


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten photographs, and sets of a hexagon, of linear light and of a range."""
    folder = tmp_path_factory.mktemp("sets")
    photos = write_photos(folder / "photos", [f"{image_id}.png" for image_id in IDS])
    words = ["--data-dir", folder / "data", "--size", 32]
    where = ["--num-images", 10, "--source", "folder", "--from", photos]
    for command in (
        ["dataset", *where, *words, "--radius", 33.5, "--blades", 6],
        ["blur", *words, "--linear", 1],
        ["blur", *words, "--radius", "10-40", "--blades", 5, "--curvature", 40],
    ):
        assert pipeline.main([str(word) for word in command]) == 0
    return folder


@pytest.fixture
def places(folder, tmp_path):
    return ["--data-dir", folder / "data", "--runs-dir", tmp_path / "runs"]


@pytest.fixture(scope="module")
def data_dir(folder, tmp_path_factory):
    """Such a data folder, to add sets to."""
    place = tmp_path_factory.mktemp("wild") / "data"
    return shutil.copytree(folder / "data", place, symlinks=True)


def blur(data_dir, *words):
    return pipeline.main(["blur", "--data-dir", str(data_dir), *words])


def pictures(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.jpg"))}


# Named by their folders.


@pytest.mark.slow
def test_pictures_blurred_elsewhere_can_be_trained_on_and_scored(folder, places, tmp_path, capsys):
    by_hand = folder / "data" / "blurred_resized" / "photoshop"
    for number in range(10):
        write_jpeg(by_hand / f"{number:02d}.jpg", photo_u8(number, 32))
    run(capsys, "train", *places, "--kernel", "photoshop", "--run", "hand", *TOY)
    said = run(capsys, "evaluate", *places, "--run", "hand")
    assert "richardson_lucy" not in said
    assert "unsharp_mask" in said
    scored = tmp_path / "runs" / "hand" / "evaluation" / "photoshop"
    reason = "needs one PSF for the whole set, but it has no kernel.json"
    baselines = json.loads((scored / "metrics.json").read_text())["baselines"]
    assert baselines["wiener"] == baselines["richardson_lucy"] == {"left_out": reason}
    assert f"Wiener left out ({reason})" in (scored / "report.html").read_text()


def test_patterns_and_radii_name_sets_too(places, tmp_path, capsys):
    """What would be trained on, by the words that name it."""
    data_dir = write_matched_folders(tmp_path, IDS, 32, ("disc-r15", "disc-r30", "disc-r10-40"))
    discs = ["--data-dir", data_dir, "--runs-dir", tmp_path / "runs"]
    for where, words, names in (
        (places, ["--kernel", "hex*"], "hexagon-r33.5"),
        (places, [], "hexagon-r33.5"),  # as `dataset` made it, before `blur` made others
        (places, ["--kernel", "*linear", "*-r33.5"], "disc-r30-linear, hexagon-r33.5"),
        (discs, ["--radius", "30"], "disc-r30"),
        (discs, ["--radius", "30.0", "10-40"], "disc-r30, disc-r10-40"),
        (discs, ["--radius", "15", "--kernel", "disc-r[31]*"], "disc-r10-40, disc-r15, disc-r30"),
    ):
        said = run(capsys, "train", *where, *words, "--steps", "7", "--dry-run")
        assert f" to validate on, of {names}, 7 steps" in said
    error = run(capsys, "train", *discs, code=1)
    assert 'name one or more of them, as in KERNEL="disc-r10-40": disc-r10-40, disc-r15,' in error
    assert not (tmp_path / "runs").exists()


def test_a_set_that_is_missing_is_answered_with_the_command_that_makes_it(places, capsys):
    error = run(capsys, "train", *places, "--run", "new", "--radius", "45", code=1)
    assert "no blurred set disc-r45" in error
    assert error.endswith("; run `make blur RADIUS=45`")
    error = run(capsys, "train", *places, "--run", "new", "--kernel", "disc-r45", code=1)
    assert "or make it with `make blur RADIUS=..`" in error


def test_what_changes_nothing_makes_no_other_set(folder, capsys):
    blurred = folder / "data" / "blurred_resized"
    before = set_names(blurred)
    words = ["--radius", "33.50", "--blades", 6, "--gamma", 2.2, "--jpeg", 0, "--size", 32]
    said = run(capsys, "blur", "--data-dir", folder / "data", *words)
    assert "0 photographs to blur for hexagon-r33.5" in said
    assert set_names(blurred) == before


def test_sets_are_chosen_by_name_or_pattern_and_none_twice(tmp_path):
    for name in ("wild-02", "wild-01", "disc-r30", "a[b]"):
        (tmp_path / name).mkdir()
    assert choose_sets(tmp_path, ["wild-*", "wild-01"]) == ["wild-01", "wild-02"]
    assert choose_sets(tmp_path, ["a[b]"]) == ["a[b]"]  # a name that looks like a pattern


# Settings and names.


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


# Drawn for each image.


@pytest.mark.parametrize(
    "text", ["10-40", "0,5-9", "-60-60", "-20--5,3.5", "gaussian,uniform", "0,0,1"]
)
def test_what_is_typed_is_what_is_shown_and_recorded(text):
    spread = Spread.of_text(text)
    assert str(spread) == text
    assert Spread.of_plain(spread.plain) == spread


@pytest.mark.parametrize("text", ["", ",", "1,", "3-1", "5-5", "1-inf", "Big", "1-2-3", "--5"])
def test_nonsense_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - any will do, flags word it
        Spread.of_text(text)


def test_parts_are_as_likely_as_each_other_and_ranges_even():
    spread = Spread.of_text("0,10-20,10-20")
    drawn = np.array([spread.sample(f"radius {number}") for number in range(6000)])
    assert (drawn == 0).mean() == pytest.approx(1 / 3, abs=0.03)
    counts, _ = np.histogram(drawn[drawn > 0], bins=5, range=(10, 20))
    assert np.abs(counts - 800).max() < 120
    assert drawn.max() <= 20
    drawn = [Spread.of_text("5-9").sample(f"blades {number}", whole=True) for number in range(3000)]
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [5, 6, 7, 8, 9]
    assert np.abs(counts - 600).max() < 100


def test_any_setting_may_be_a_range_or_a_choice_and_is_recorded(data_dir):
    assert blur(data_dir, *RANGES) == 0
    folder = data_dir / "blurred_resized" / NAME
    assert len(pictures(folder)) == 10
    record = read_kernel(folder)
    assert record.blur.name == NAME
    lines = read_lines(folder / "manifest.jsonl")
    assert [line["id"] for line in lines] == IDS
    drawn_names = {"id", "radius_px", "blades", "curvature", "linear", "noise", "noise_kind"}
    for line in lines:
        assert set(line) == drawn_names
        assert line["blades"] in (0, 5, 6, 7, 8, 9)
        assert 0 <= line["radius_px"] <= 45
        assert round(line["radius_px"], 2) == line["radius_px"]
    assert len({line["radius_px"] for line in lines}) == 10


def test_what_is_drawn_is_recorded_though_the_command_is_killed_at_its_end(data_dir, monkeypatch):
    monkeypatch.setattr(PairRecords, "finish", lambda records: None)
    assert blur(data_dir, "--radius", "3-5", "--size", "32") == 0
    lines = read_lines(data_dir / "blurred_resized" / "disc-r3-5" / "manifest.jsonl")
    assert [line["id"] for line in lines] == IDS


def test_what_is_recorded_is_what_was_done():
    blur = LensBlur(Spread([(5, 45)]), blades=Spread([(5, 9)]), linear=Spread([(0, 0), (1, 1)]))
    photo = photo_u8(0, 256)
    for image_id in ("00000", "00001", "a face"):
        sample = LensBlur(**blur.sampled_values(image_id))
        [one], [other] = (blur_and_reduce(photo, [each], 64, image_id) for each in (blur, sample))
        np.testing.assert_array_equal(one, other)
        far = replace(sample, radius_px=sample.radius_px + 20)
        assert np.any(blur_and_reduce(photo, [far], 64, image_id)[0] != one)


def test_draws_of_the_recipe_differ_and_are_the_same_on_any_number_of_workers(data_dir):
    assert blur(data_dir, "--kernel", "wild", "--draws", "2", "--size", "32", "--workers", "1") == 0
    sets = data_dir / "blurred_resized"
    first, second = (pictures(sets / f"wild-{draw:02d}") for draw in (1, 2))
    assert len(first) == len(second) == 10
    assert first != second
    for path in (sets / "wild-02").glob("*.jpg"):
        path.unlink()
    assert blur(data_dir, "--kernel", "wild", "--draws", "3", "--size", "32", "--workers", "3") == 0
    assert pictures(sets / "wild-02") == second
    assert read_kernel(sets / "wild-03").make_command == "make blur KERNEL=wild DRAWS=3 SIZE=32"


def test_ranges_may_begin_with_a_minus(data_dir):
    words = ["--rim", "-60--20", "--fringe", "-10,10", "--size", "32"]
    assert blur(data_dir, *words, "--dry-run") == 0


@pytest.mark.parametrize("word", ["wild", "wild-*"])
def test_a_recipe_that_is_missing_is_answered_with_what_makes_it(tmp_path, word):
    with pytest.raises(PrepareError, match="run `make blur KERNEL=wild DRAWS=12`"):
        choose_sets(tmp_path, [word])
    (tmp_path / "wild-01").mkdir()
    with pytest.raises(PrepareError, match='name all of the recipe with KERNEL="wild-\\*"'):
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


def test_a_sharp_draw_is_the_sharp_half_itself():
    photo = photo_u8(0, 256)
    names = [f"{number:03d}" for number in range(60)]
    sharp_ids = [name for name in names if WILD.sample(name) == LensBlur(0)]
    assert 2 <= len(sharp_ids) <= 25
    [copy] = blur_and_reduce(photo, [WILD], 64, sharp_ids[0])
    np.testing.assert_array_equal(copy, reduce_photo(photo, 64))


def test_every_second_set_of_the_recipe_is_of_lens_and_sensor_alone():
    kinds = [recipe_set("wild", number) for number in (1, 2, 3, 4)]
    assert [kind.name for kind in kinds] == ["wild-01", "wild-02", "wild-03", "wild-04"]
    assert [kind.spreads == WILD.spreads for kind in kinds] == [True, False, True, False]
    for kind in kinds[1::2]:
        lens = {"radius_px", "blades", "curvature", "rotation", "linear"}
        assert set(kind.spreads) == lens | {"noise", "noise_kind", "monochromatic"}
        drawn = kind.sample("00000")
        assert (drawn.jpeg, drawn.softness, drawn.layers) == (0, 0, 1)
        noises = [kind.sample(f"{number:05d}").noise for number in range(400)]
        assert 0.2 < np.mean(np.array(noises) > 0) < 0.3
        assert 11 < max(noises) * 2.55 < 12  # levels


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--kernel", "wild", "--blades", "5"], "--kernel must be given alone"),
        (["--kernel", "tame"], "choose from 'wild'"),
        (["--draws", "3"], "--draws must be 1 where nothing is drawn; give a range"),
        (
            ["--draws", "99999999", "--kernel", "wild"],
            "--draws must be a whole number from 1 to 999",
        ),
        (["--blades", "0-3"], "--blades must be 0 or 3 or 4 or 5 or 6 or 7 or 8 or 9, got 0-3"),
        (["--jpeg", "0.5-98"], "--jpeg must be a whole number from 0 to 100, got 0.5-98"),
        (LONG, "a recipe, as in KERNEL=wild, since so many ranges make too long a name"),
        (["--radius", "5,0-600"], "--radius must be a number between 0 and 512, got 0-600"),
        (["--radius", "nan"], "--radius must be a number between 0 and 512, got nan"),
        (["--radius", "1e999"], "--radius must be a number between 0 and 512, got inf"),
        (["--quality", "101"], "--quality must be a whole number from 1 to 100, got 101"),
        (["--linear", "yes"], "--linear must be 0 or 1, got yes"),
        (["--noise", "gaussian"], "--noise must be a number between 0 and 100, got gaussian"),
        (["--noise-kind", "gaussian,salt"], "--noise-kind must be gaussian or"),
        (
            ["--noise", "5-"],
            "expected a number, a range such as 10-40, or choices such as 0,5-8",
        ),
        (["--layers", "2", "--depth", "maps"], "--layers must be 1 with --depth"),
    ],
)
def test_wrong_spreads_are_told_in_a_line(data_dir, capsys, words, message):
    assert blur(data_dir, *words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
