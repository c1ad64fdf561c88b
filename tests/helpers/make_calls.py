"""A clone whose Python is a stand-in that notes how make called it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from helpers.pair_files import ROOT

STAND_IN = f"""#!{sys.executable} -IS
import json, os, shutil, sys
with open(os.environ["CALLS"], "a") as file:
    print(json.dumps([sys.argv[1:], os.getcwd(), os.environ.get("PYTEST_ADDOPTS")]), file=file)
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
    "R&D.jpg",
    "$HOME.jpg",
    "a$b$$c${d}$(e).jpg",
    "$(shell touch pwned).jpg",
    "`touch pwned`.jpg",
    "$(touch pwned).jpg",
    "a\nb.jpg",
    "a'\ntouch pwned\n'b.jpg",
    "\nb.jpg\n",
    "a#1.jpg",
    "100%.jpg",
    "*.jpg",
    "[ab]?.jpg",
    "{a,b}.jpg",
    "a,b).jpg",
    "back\\slash.jpg",
    "end\\",
    "a  b\tc ",
    "a|b>pwned<c.jpg",
    "!a~b.jpg",
    "a=b:c@d.jpg",
    "Zoë 写真 ☺.jpg",
    "STEPS=3",
    "<<odd>>.jpg",
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
    """Runs make. Result has the calls of the stand-in, [words, cwd, addopts] each, and `errors`."""
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
    return SimpleNamespace(
        calls=list(map(json.loads, lines)), errors=errors, out=done.stdout, err=done.stderr
    )


def words_of(clone, *arguments, **options):
    """The words behind `pipeline.py` in the one call that make makes."""
    ((words, cwd, _),) = make(clone, *arguments, **options).calls
    assert words[0] == "pipeline.py"
    assert cwd == str(clone)
    return words[1:]


def error_of(clone, *arguments, **options):
    done = make(clone, *arguments, code=2, **options)
    assert done.calls == []
    assert "Traceback" not in done.err
    assert len(done.errors) == 1, done.err
    return done.errors[0]
