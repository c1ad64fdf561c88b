"""A clone whose Python is a stand-in that notes how make called it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pipeline
from helpers.pair_files import ROOT
from prepare.command_line import read_makeflags, words_from_variables

COMMANDS = pipeline.build_parser().commands

STAND_IN = f"""#!{sys.executable} -IS
import json, os, shutil, sys
with open(os.environ["CALLS"], "a") as file:
    print(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]), file=file)
if sys.argv[1:3] == ["-m", "venv"]:
    os.makedirs(sys.argv[3] + "/bin", exist_ok=True)
    for name in ("python", "uv"):
        shutil.copy(__file__, sys.argv[3] + "/bin/" + name)
"""
NAMES = [
    "photo (1).jpg",
    "it's.jpg",
    'say "cheese".jpg',
    "a;touch pwned;b.jpg",
    "a$b$$c${d}$(e).jpg",
    "$(shell touch pwned).jpg",
    "$(touch pwned).jpg",
    "a'\ntouch pwned\n'b.jpg",
    "\nb.jpg\n",
    "a#1.jpg",
    "*.jpg",
    "[ab]?.jpg",
    "back\\slash.jpg",
    "a  b\tc ",
    "a|b>pwned<c.jpg",
    "!a~b.jpg",
    "a=b:c@d.jpg",
    "Zoë 写真 ☺.jpg",
]


def write_clone(parent: Path) -> Path:
    """A folder, with a space in its name, that make takes for a clone that is set up."""
    folder = parent / "my clone"
    (folder / ".venv/bin").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    for name in (".venv/bin/python", "stand-in"):
        (folder / name).write_text(STAND_IN)
        (folder / name).chmod(0o755)
    (folder / ".venv/ready-cpu").touch()
    return folder


def make(clone, *arguments, cwd=None, code=0, **environment):
    """Runs make. Result has the calls of the stand-in, [words, cwd, environment], and `errors`."""
    calls = clone.parent / "calls"
    calls.unlink(missing_ok=True)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", *arguments],
        cwd=cwd or clone,
        env=inherited | {"CALLS": str(calls)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    assert not list(clone.parent.rglob("pwned"))
    lines = calls.read_text().splitlines() if calls.exists() else []
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    return SimpleNamespace(calls=list(map(json.loads, lines)), errors=errors, out=done.stdout)


def args_of(clone, *arguments, **options):
    """What pipeline.py parses from the one call that make makes of it."""
    ((words, cwd, environment),) = make(clone, *arguments, **options).calls
    assert words[:2] == ["pipeline.py", "--make"]
    assert cwd == str(clone)
    before = os.getcwd()
    os.chdir(cwd)
    try:
        with mock.patch.dict(os.environ, environment):
            words = words_from_variables(COMMANDS, words[2:], read_makeflags())
            return pipeline.build_parser().parse_args(words)
    finally:
        os.chdir(before)


def error_of(clone, *arguments, **options):
    """The one error line of a make that calls nothing."""
    done = make(clone, *arguments, code=2, **options)
    assert done.calls == []
    assert len(done.errors) == 1
    return done.errors[0]
