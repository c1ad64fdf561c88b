"""What is typed behind make, and what arrives at pipeline.py and at a stand-in for Python."""

import re
import shutil
from pathlib import Path

import pytest
from helpers.make_calls import COMMANDS, NAMES, args_of, error_of, make
from helpers.pair_files import ROOT

from prepare.command_line import UsageError, in_words_of_make


@pytest.mark.parametrize("name", NAMES)
def test_a_value_arrives_as_it_was_typed(clone, name):
    (clone / name.strip().split("/")[0]).touch()
    args = args_of(clone, "dataset", f"DATA=/{name}", f"IDS=/{name}", f"DRIVE_URL=x{name}")
    assert (str(args.data_dir), args.ids, args.drive_url) == (f"/{name}", f"/{name}", f"x{name}")
    args = args_of(clone, "deblur", f"IN=/n/{name}", f"OUT=o{name}", f"RUN=r{name}")
    assert (str(args.out), args.run) == (f"o{name}", f"r{name}")
    assert set(" ".join(map(str, args.photographs)).split()) == set(f"/n/{name}".split())


def test_a_photograph_may_have_blanks_and_several_may_be_named(clone):
    for name in ("a b.jpg", "c.jpg", "-d.png"):
        (clone / name).touch()
    for typed, found in {
        "a b.jpg": ["a b.jpg"],
        "c.jpg -d.png": ["c.jpg", "-d.png"],
        "*.jpg": ["a b.jpg", "c.jpg"],
        "-d.png": ["-d.png"],
        "c.jpg none.jpg": ["c.jpg", "none.jpg"],  # so that the one that is missing is named
    }.items():
        assert args_of(clone, "deblur", f"IN={typed}").photographs == list(map(Path, found)), typed
    at_home = args_of(clone, "deblur", "IN=~/x.jpg", HOME="/home/it's")
    assert at_home.photographs == [Path("/home/it's/x.jpg")]
    for folder in ("x", "y"):
        (clone / folder).mkdir()
    assert args_of(clone, "dataset", "FROM=x y").from_dirs == [Path("x"), Path("y")]


def test_lists_are_split_and_nothing_is_globbed(clone):
    (clone / "wild-01").touch()
    args = args_of(clone, "train", "KERNEL=hexagon-r33.5  wild-*", "RADIUS=15\n30")
    assert (args.kernel, args.radius) == (["hexagon-r33.5", "wild-*"], [15, 30])
    assert args_of(clone, "compare", "WITH=a b;c").runs == ["a", "b;c"]


def test_numbers_switches_what_is_left_empty_and_make_c(clone):
    assert args_of(clone, "dataset").num_images == 1000
    assert args_of(clone, "all", "N=").num_images == 1000
    assert args_of(clone, "demo", "N=8", "DATA=d").num_images == 8
    assert args_of(clone, "deblur", "IN=x", "MAP=1", "COMPARE=0", "DRY_RUN=").map is True
    assert args_of(clone, "blur", "LINEAR=0").linear == 0
    args = args_of(clone, "-C", clone.name, "deblur", "IN=a.jpg", cwd=clone.parent)
    assert args.photographs == [Path("a.jpg")]


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ("RADUIS=10", "no variable is called RADUIS; the nearest is RADIUS"),
        ("run=r2", "no variable is called run; the nearest is RUN"),
        ("compare=$(shell touch pwned)", "no variable is called compare; the nearest is COMPARE"),
        ("DRY_RUN=0 1", "DRY_RUN must be 0 or 1, got 0 1"),
    ],
)
def test_a_misspelt_word_is_refused_with_the_nearest(clone, typed, error):
    with pytest.raises(UsageError, match=f"^{re.escape(error)}$"):
        args_of(clone, "train", typed, "RADIUS=30")


def test_a_misspelt_target_is_refused_with_the_nearest(clone):
    assert error_of(clone, "trian") == "error: no target is called trian; the nearest is train"
    shown = error_of(clone, "deblur", "IN=a.jpg", "$(touch,pwned)/it's.jpg")
    assert shown.endswith('; several files need quotes: IN="a.jpg b.jpg"')


def test_a_variable_of_another_target_is_passed_over(clone):
    calls = make(clone, "-j8", "dataset", "train", "N=5", "EPOCHS=2", "IN=x").calls
    assert [words[2] for words, *_ in calls] == ["dataset", "train"]
    assert args_of(clone, "train", "N=5", "EPOCHS=2").epochs == 2


def test_errors_name_what_was_typed():
    assert in_words_of_make("--radius must be 1") == "RADIUS must be 1"
    message = "argument --num-images: expected 1; see `python pipeline.py dataset --help`"
    assert in_words_of_make(message) == "N: expected 1; see `make help`"


def test_what_other_programs_exported_does_not_count(clone):
    exported = {"N": "5", "RADUIS": "1", "DEVICE": "gpu", "IN": "y", "DATA": "d", "SEED": "x"}
    assert args_of(clone, "all", **exported).num_images == 1000
    assert "name the photograph" in error_of(clone, "deblur", **exported)
    shutil.rmtree(clone / ".venv")
    assert "nope: no such file" in error_of(clone, "deblur", "IN=nope")  # before it installs


# Where make is called, and what it sets up.


@pytest.mark.parametrize("relative", [False, True])
def test_from_elsewhere_paths_are_those_of_the_users_folder(clone, relative):
    user = clone.parent / "it's $HOME"
    user.mkdir()
    makefile = ["-f", "../my clone/Makefile" if relative else str(clone / "Makefile")]
    args = args_of(clone, *makefile, "deblur", "IN=a;b $x.jpg", "RUNS=/r", cwd=user)
    assert args.photographs == [user / "a;b $x.jpg"]
    assert args.runs_dir == Path("/r")
    args = args_of(clone, *makefile, "dataset", "FROM=-x", "IDS=1-3", cwd=user)
    assert (args.from_dirs, args.ids, args.data_dir) == ([user / "-x"], "1-3", Path("data"))
    assert make(clone, *makefile, cwd=user).out == make(clone).out
    calls = make(clone, "-j8", *makefile, "dataset", "train", cwd=user).calls
    assert [words[2] for words, *_ in calls] == ["dataset", "train"]


@pytest.mark.parametrize("target", ["deblur", "dataset", "studio", "train", "test"])
def test_an_environment_is_made_once_and_no_larger_than_needed(clone, target):
    shutil.rmtree(clone / ".venv")
    folder, lock = {
        "deblur": (".venv-restore", "restore"),
        "train": (".venv", "cpu"),
        "test": (".venv", "cpu"),
    }.get(target, (".venv-prepare", "prepare"))
    calls = [words for words, *_ in make(clone, target, "IN=Makefile", "PYTHON=./stand-in").calls]
    assert calls[1][:3] == ["-m", "venv", folder]
    assert calls[2][-2:] == ["-r", f"requirements/{lock}.lock"]
    assert sorted(path.name for path in clone.glob(".venv*")) == [folder]
    assert len(make(clone, target, "IN=Makefile").calls) == 1


def test_the_large_environment_serves_all_that_is_asked_for(clone):
    shutil.rmtree(clone / ".venv")
    for arguments in (["deblur", "DEVICE=gpu"], ["deblur", "dataset", "train"]):
        make(clone, *arguments, "IN=Makefile", "PYTHON=./stand-in")
        assert [path.name for path in clone.glob(".venv*")] == [".venv"]
        assert len(make(clone, "studio").calls) == 1
        shutil.rmtree(clone / ".venv")
    make(clone, "deblur", "DEVICE=cpu", "IN=Makefile", "PYTHON=./stand-in")  # refuses accelerators
    assert [path.name for path in clone.glob(".venv*")] == [".venv-restore"]


def test_devices_have_locks_of_their_own(clone):
    shutil.rmtree(clone / ".venv")
    calls = make(clone, "setup", PYTHON="./stand-in").calls  # of the environment, too
    assert calls[2][0][-1] == "requirements/cpu.lock"
    for device in ("cuda", "cpu gpu", "%", "$(shell touch pwned)", "../cpu"):
        assert "must be one of cpu gpu rocm" in error_of(clone, "train", f"DEVICE={device}")
    assert "needs ROCM_WHEEL" in error_of(clone, "setup", "DEVICE=rocm")
    wheel = "/tf (1)'s.whl"
    calls = make(clone, "setup", "DEVICE=rocm", "PYTHON=./stand-in", f"ROCM_WHEEL={wheel}").calls
    assert calls[2][0][-1] == "requirements/rocm.lock"
    assert calls[3][0][-1] == wheel
    lock = (ROOT / "requirements" / "rocm.lock").read_text()
    assert re.search("^keras==", lock, re.MULTILINE)
    assert not re.search("^tensorflow==", lock, re.MULTILINE)


def test_arguments_of_the_tests_keep_their_quotes_and_reach_no_shell(clone):
    arguments = """-m 'not slow' -k "a or b"; touch pwned $(touch pwned)"""
    ((words, _, environment),) = make(clone, "test", f"ARGS={arguments}").calls
    assert (words, environment["PYTEST_ADDOPTS"]) == (["-m", "pytest"], arguments)


def test_every_environment_is_locked_with_hashes_and_no_package_index(clone):
    calls = [words for words, *_ in make(clone, "lock", "PYTHON=./stand-in", "UPGRADE=1").calls]
    compiled = [words for words in calls if words[:2] == ["pip", "compile"]]
    assert all({"--universal", "--generate-hashes", "--upgrade"} <= set(each) for each in compiled)
    locks = {words[-1] for words in compiled}
    assert locks == {str(path.relative_to(ROOT)) for path in (ROOT / "requirements").iterdir()}
    for lock in locks:
        assert not re.search(r"://|--(extra-)?index|--find-links", (ROOT / lock).read_text()), lock


def test_targets_and_subcommands_are_the_same(clone):
    targets = set(re.findall(r"^([a-z][a-z-]*):.*##", (ROOT / "Makefile").read_text(), re.M))
    own = {"help", "setup", "test", "lint", "bench", "fuzz", "lock", "pretrained", "figures"}
    assert targets - own == set(COMMANDS)
    shown = make(clone).out
    assert all(re.search(rf"make {target}\b", shown) for target in targets)
