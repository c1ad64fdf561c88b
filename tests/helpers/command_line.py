"""The command line as people use it: in a process of its own, judged by what it leaves behind."""

import subprocess
import sys

from helpers.pair_files import ROOT


def command(*arguments):
    """The words that run a subcommand."""
    return [sys.executable, str(ROOT / "pipeline.py"), *map(str, arguments)]


def run(*arguments, code=0, cwd=ROOT):
    """Runs a subcommand to its end, which has to be the exit code expected and no traceback."""
    done = subprocess.run(command(*arguments), cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def error_of(*arguments, code=1, cwd=ROOT):
    """The one error line of a command that fails."""
    errors = run(*arguments, code=code, cwd=cwd).stderr.splitlines()
    errors = [line for line in errors if line and not line.startswith("pairs:")]
    assert len(errors) == 1, errors
    assert errors[0].startswith("error: ")
    return errors[0]


def loaded_by(*arguments):
    """Names of the packages that a subcommand imports."""
    python, *words = command(*arguments)
    traced = [python, "-X", "importtime", *words]
    done = subprocess.run(traced, cwd=ROOT, capture_output=True, text=True, timeout=300)
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    names = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in lines}
    assert "argparse" in names
    return names
