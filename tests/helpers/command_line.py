"""The command line as people use it, judged by what it prints and leaves behind."""

import contextlib
import io
import os
import subprocess
import sys
from types import SimpleNamespace

import pipeline
from helpers.pair_files import ROOT


def command(*arguments):
    """The words that run a subcommand in a process of its own, for what stops or limits it."""
    return [sys.executable, str(ROOT / "pipeline.py"), *map(str, arguments)]


def run(*arguments, code=0, cwd=ROOT):
    """Runs a subcommand to its end in this process, which has to be the exit code expected."""
    out, err, before = io.StringIO(), io.StringIO(), os.getcwd()
    os.chdir(cwd)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            got = pipeline.main(list(map(str, arguments)))
    except SystemExit as exited:  # of --help
        got = exited.code
    finally:
        os.chdir(before)
    assert got == code, err.getvalue()
    return SimpleNamespace(stdout=out.getvalue(), stderr=err.getvalue())


def error_of(*arguments, code=1, cwd=ROOT):
    """The one error line of a command that fails."""
    errors = run(*arguments, code=code, cwd=cwd).stderr.splitlines()
    errors = [line for line in errors if line.strip() and not line.startswith("\rpairs:")]
    errors = [line for line in errors if not line.startswith("pairs:")]
    assert len(errors) == 1, errors
    assert errors[0].startswith("error: ")
    return errors[0]


def loaded_by(*arguments):
    """Names of the packages that a subcommand imports in a process of its own."""
    python, *words = command(*arguments)
    traced = [python, "-X", "importtime", *words]
    done = subprocess.run(traced, cwd=ROOT, capture_output=True, text=True, timeout=300)
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    names = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in lines}
    assert "argparse" in names
    return names
