"""What is typed behind `make`, and the words that arrive at a stand-in for its Python."""

import re
from itertools import pairwise

import pytest
from helpers.make_calls import NAMES, error_of, make, words_of
from helpers.pair_files import ROOT


@pytest.mark.parametrize("name", NAMES)
def test_photographs_of_any_name_arrive_whole(clone, name):
    assert words_of(clone, "deblur", f"IN={name}") == ["deblur", "--out", "restored", name.lstrip()]


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_value_arrives_whole(clone, name):
    variables = [f"{each}=/{name}" for each in ("FROM", "DATA", "IDS", "DEPTH")]
    words = words_of(clone, "dataset", *variables, f"RADIUS={name}", f"DRIVE_URL=x{name}")
    given = dict(pairwise(words))
    for flag in ("--from", "--data-dir", "--ids", "--depth"):
        assert given[flag] == f"/{name}"
    assert given["--drive-url"] == f"x{name}"
    start = words.index("--radius") + 1
    assert words[start : start + len(name.split())] == name.split()
    runs = words_of(clone, "deblur", f"OUT=o{name}", f"RUNS=r{name}", f"RUN=r{name}", "IN=x")
    assert runs[1:7] == ["--out", f"o{name}", "--run", f"r{name}", "--runs-dir", f"r{name}"]


@pytest.mark.parametrize("name", ["-x.jpg", "--help", "-"])
def test_a_leading_dash_is_no_flag(clone, name):
    words = words_of(clone, "deblur", f"IN={name}", f"OUT={name}")
    assert words == ["deblur", "--out", f"./{name}", f"./{name}"]


def test_a_leading_tilde_is_the_home_folder(clone):
    assert words_of(clone, "deblur", "IN=~/a b.jpg", HOME="/home/it's")[-1] == "/home/it's/a b.jpg"
    assert words_of(clone, "deblur", "IN=~x.jpg")[-1] == "~x.jpg"


def test_lists_are_split_and_nothing_is_globbed(clone):
    (clone / "wild-01").touch()
    words = words_of(clone, "train", "KERNEL=hexagon-r33.5  wild-*", "RADIUS=15\n30")
    assert words == ["train", "--radius", "15", "30", "--kernel", "hexagon-r33.5", "wild-*"]
    assert words_of(clone, "compare", "WITH=a b;c")[1:] == ["--with", "a", "b;c"]
    assert words_of(clone, "compare")[1:] == ["--with", "run-01", "run-02"]
    assert words_of(clone, "export", "FORMATS=onnx tflite")[1:] == ["--formats", "onnx", "tflite"]


@pytest.mark.parametrize("target", ["train", "evaluate", "report"])
def test_sets_are_named_by_kernel_or_by_radius(clone, target):
    words = words_of(clone, target, "KERNEL=wild-* a", "RADIUS=10-40 30")
    assert words == [target, "--radius", "10-40", "30", "--kernel", "wild-*", "a"]


def test_numbers_have_their_own_flag_and_default(clone):
    assert words_of(clone, "dataset") == ["dataset", "--num-images", "1000"]
    assert words_of(clone, "all", "N=") == ["all", "--num-images", "1000"]
    assert words_of(clone, "demo") == ["demo"]
    assert words_of(clone, "demo", "N=8") == ["demo", "--num-images", "8"]


@pytest.mark.parametrize("name", ["DRY_RUN", "COMPARE", "MAP"])
def test_switches(clone, name):
    flag = "--" + name.lower().replace("_", "-")
    assert flag in words_of(clone, "deblur", "IN=x", f"{name}=1")
    for no in ("0", ""):
        assert words_of(clone, "deblur", "IN=x", f"{name}={no}")[1:] == ["--out", "restored", "x"]
    for odd in ("yes", "no", "2", "01", "0 1", "0 0", "$(shell touch pwned)", "`touch pwned`"):
        error = error_of(clone, "deblur", "IN=x", f"{name}={odd}")
        assert error == f"error: {name} must be 0 or 1, got {odd}"


def test_switches_of_settings_keep_their_value(clone):
    assert words_of(clone, "blur", "LINEAR=0")[1:] == ["--linear", "0"]


@pytest.mark.parametrize(
    ("typed", "nearest"),
    [
        ("RADUIS=10", "RADIUS"),
        ("STEP=100", "STEPS"),
        ("run=r2", "RUN"),
        ("device=gpu", "DEVICE"),
        ("KERNELS=", "KERNEL"),
        ("DRYRUN=1", "DRY_RUN"),
        ("compare=$(shell touch pwned)", "COMPARE"),
        ("quiet=1", "QUALITY"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_nearest(clone, typed, nearest):
    name = typed.partition("=")[0]
    error = error_of(clone, "train", typed, "RADIUS=30")
    assert error == f"error: no variable is called {name}; the nearest is {nearest}"


def test_a_misspelt_variable_is_refused_whatever_is_asked_for(clone):
    for arguments in ([], ["help"], ["-n", "train"], ["-j8", "setup", "lock"]):
        assert error_of(clone, *arguments, "RADUIS=10").endswith("the nearest is RADIUS")
    assert error_of(clone, "RADUIS=10", "PYTHON=/none") == "error: no variable is called RADUIS"


def test_what_other_programs_exported_does_not_count(clone):
    names = re.findall(r"\b[A-Z][A-Z0-9_]+\b", (ROOT / "Makefile").read_text())
    makes_own = {"MAKE", "MAKEFILE_LIST", "MAKECMDGOALS", "TYPED_IN", "PYTHON", "HOME"}
    exported = dict.fromkeys(set(names) - makes_own, "x$(shell touch pwned)")
    exported |= {"N": "5", "RADUIS": "1"}
    assert {"DEVICE", "DATA", "SIZE", "IN", "RUN", "ARGS"} <= set(exported)
    assert words_of(clone, "all", **exported) == ["all", "--num-images", "1000"]
    assert words_of(clone, "deblur", "IN=x", **exported) == ["deblur", "--out", "restored", "x"]
    assert "name the photograph" in error_of(clone, "deblur", **exported)
    shown = make(clone, "help", **exported).out
    assert shown == make(clone).out
