"""Where make is started, what it sets up there, and the targets that call no subcommand."""

import re
import shutil

import pytest
from helpers.make_calls import NAMES, error_of, make, words_of
from helpers.pair_files import ROOT


def test_an_unknown_device_is_told_which_there_are(clone):
    for device in ("cuda", "cpu gpu", "%", "$(shell touch pwned)", "../cpu"):
        error = error_of(clone, "train", f"DEVICE={device}")
        assert error == f"error: DEVICE must be one of cpu gpu rocm, got {device}"


def test_deblur_asks_for_the_photograph_before_anything_is_installed(clone):
    shutil.rmtree(clone / ".venv")
    for variables in ([], ["IN="]):
        assert "make deblur IN=photo.jpg" in error_of(clone, "deblur", *variables)
    assert not (clone / ".venv").exists()


def test_set_up_is_made_once_with_the_lock_of_the_device(clone):
    shutil.rmtree(clone / ".venv")
    python = "PYTHON=./stand-in"
    calls = [words for words, *_ in make(clone, "setup", python, "DEVICE=gpu").calls]
    assert calls[1] == ["-m", "venv", ".venv"]
    assert calls[2][-2:] == ["-r", "requirements/gpu.lock"]
    assert len(calls) == 3
    assert make(clone, "setup", python).calls == []
    assert words_of(clone, "train") == ["train"]
    wheel = "/tf (1)'s.whl"
    calls = make(clone, "setup", python, "DEVICE=rocm", f"ROCM_WHEEL={wheel}").calls
    assert calls[3][0][-1] == wheel


def test_restoring_alone_sets_up_a_small_environment(clone):
    shutil.rmtree(clone / ".venv")
    python = "PYTHON=./stand-in"
    calls = [words for words, *_ in make(clone, "deblur", "IN=x", python).calls]
    assert calls[1] == ["-m", "venv", ".venv-restore", "--clear"]
    assert calls[2][-2:] == ["-r", "requirements/restore.lock"]
    assert calls[3][-2:] == ["setuptools", "pip"]
    assert calls[4][:2] == ["pipeline.py", "deblur"]
    assert not (clone / ".venv").exists()
    assert len(make(clone, "deblur", "IN=x", python).calls) == 1


def test_restoring_takes_the_large_environment_where_that_is_there_or_asked_for(clone):
    assert words_of(clone, "deblur", "IN=x")[0] == "deblur"
    shutil.rmtree(clone / ".venv")
    for arguments in (["deblur", "DEVICE=gpu"], ["train", "deblur"]):
        make(clone, *arguments, "IN=x", "PYTHON=./stand-in")
        assert not (clone / ".venv-restore").exists()
        shutil.rmtree(clone / ".venv")


def test_python_may_come_from_the_environment(clone):
    shutil.rmtree(clone / ".venv")
    assert len(make(clone, "setup", PYTHON=str(clone / "stand-in")).calls) == 3
    shutil.rmtree(clone / ".venv")
    elsewhere = make(clone, "-f", str(clone / "Makefile"), "setup", PYTHON=str(clone / "stand-in"))
    assert len(elsewhere.calls) == 3


@pytest.mark.parametrize("relative", [False, True])
def test_from_elsewhere_paths_are_those_of_the_users_folder(clone, relative):
    user = clone.parent / "it's $HOME"
    user.mkdir()
    makefile = ["-f", "../my clone/Makefile" if relative else str(clone / "Makefile")]
    words = words_of(clone, *makefile, "deblur", "IN=a;b $x.jpg", "RUNS=/r", cwd=user)
    assert words == [
        "deblur",
        "--out",
        f"{user}/restored",
        "--runs-dir",
        "/r",
        f"{user}/a;b $x.jpg",
    ]
    words = words_of(clone, *makefile, "dataset", "FROM=-x", "IDS=1-3", "N=1", cwd=user)
    assert words[3:] == ["--from", f"{user}/-x", "--ids", "1-3"]
    assert words_of(clone, *makefile, "train", cwd=user) == ["train"]
    assert "STEPS" in error_of(clone, *makefile, "train", "STEP=1", cwd=user)
    assert make(clone, *makefile, cwd=user).out == make(clone).out


@pytest.mark.parametrize("name", NAMES)
def test_names_arrive_whole_from_elsewhere(clone, name):
    words = words_of(clone, "-f", "my clone/Makefile", "deblur", f"IN=x{name}", cwd=clone.parent)
    assert words[-1] == f"{clone.parent}/x{name}"


def test_with_c_paths_are_those_of_the_clone(clone):
    words = words_of(clone, "-C", clone.name, "deblur", "IN=a b.jpg", cwd=clone.parent)
    assert words == ["deblur", "--out", "restored", "a b.jpg"]


def test_goals_run_in_the_order_typed_on_any_number_of_jobs(clone):
    for arguments in (["-j8"], ["-j8", "-f", str(clone / "Makefile")]):
        calls = make(clone, *arguments, "dataset", "train", "evaluate", "report").calls
        assert [words[1] for words, *_ in calls] == ["dataset", "train", "evaluate", "report"]


def test_arguments_of_the_tests_keep_their_quotes_and_reach_no_shell(clone):
    arguments = """-m 'not slow' -k "a or b"; touch pwned $(touch pwned)"""
    assert make(clone, "test", f"ARGS={arguments}").calls == [
        [["-m", "pytest"], str(clone), arguments]
    ]
    assert make(clone, "test").calls[0][0] == ["-m", "pytest"]


@pytest.mark.parametrize("upgrade", [False, True])
def test_lock_compiles_one_lock_a_device(clone, upgrade):
    done = make(clone, "lock", "PYTHON=./stand-in", f"UPGRADE={upgrade:d}")
    compiled = [words for words, *_ in done.calls if words[:2] == ["pip", "compile"]]
    for words, device in zip(compiled, ("cpu", "gpu", "rocm", "restore"), strict=True):
        assert words[-1] == f"requirements/{device}.lock"
        assert {"--universal", "--generate-hashes"} <= set(words)
        assert ("pyproject.toml" in words) == (device != "restore")
        assert ("--upgrade" in words) == upgrade
        assert ("--extra" in words) == (device == "gpu")
    assert len(make(clone, "lock", "PYTHON=/none").calls) == 4


def test_locks_name_no_package_index():
    for path in (ROOT / "requirements").glob("*.lock"):
        assert not re.search(r"://|--(extra-)?index|--find-links", path.read_text()), path
