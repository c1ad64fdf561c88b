"""Documents are tried as people try them: every command and every link in them leads somewhere."""

import json
import re
import shlex

import pytest
from helpers.make_calls import COMMANDS
from helpers.pair_files import ROOT

from prepare.command_line import OF_THE_MAKEFILE, variables_of

DOCUMENTS = ["README.md", "README.es.md", "CONTRIBUTING.md", "data/README.md"]
DOCUMENTS += ["tf_checkpoints/README.md", "tf_checkpoints/pretrained/README.md"]
DOCUMENTS += sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md"))
DOCUMENTS += ["docs/pix2pix_deblurrer.ipynb", "benchmarks/RECIPE.md"]

FENCE = re.compile(r"^```.*?$(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
VARIABLES = {name: set(variables_of(command)) for name, command in COMMANDS.items()}
ALL = OF_THE_MAKEFILE.union(*VARIABLES.values())
TARGETS = set(re.findall(r"^([a-z][a-z-]*):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))


def text_of(name):
    """The text of a document; of a notebook, with its code in blocks, as a terminal takes it."""
    text = (ROOT / name).read_text(encoding="utf-8")
    if not name.endswith(".ipynb"):
        return text
    parts = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            typed = re.sub(r"\{[A-Za-z_.]+\}", "", re.sub("^ *!", "", source, flags=re.MULTILINE))
            source = f"```\n{typed}\n```"
        parts.append(source)
    return "\n\n".join(parts)


def spans_of(text):
    """What stands between backticks; it may go on in the next line."""
    return [" ".join(span.split()) for span in SPAN.findall(FENCE.sub("", text))]


def commands_of(text):
    """Every `make ...` in backticks, and every line of a block that begins with it."""
    lines = [line.removeprefix("$ ") for block in FENCE.findall(text) for line in block.split("\n")]
    return [each for each in spans_of(text) + lines if re.match(r"make( |$)", each)]


def anchors_of(text):
    """The anchors that GitHub gives a document's headings."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_and_variable_is_known(name):
    text, wrong = text_of(name), []
    for command in commands_of(text):
        words = shlex.split(command, comments=True)[1:]
        typed = {word.partition("=")[0] for word in words if "=" in word}
        goals = [word for word in words if "=" not in word and not word.startswith("-")]
        taken = OF_THE_MAKEFILE.union(*(VARIABLES.get(goal, {"SEED"}) for goal in goals))
        if not set(goals) <= TARGETS or not typed <= taken:
            wrong.append(command)
    assert wrong == []
    words = [word for span in spans_of(text) for word in span.split()]
    given = {word.partition("=")[0] for word in words if re.match(r"[A-Z_]+=", word)}
    assert given - {"TF_CONFIG", "ORT_DISABLE_TELEMETRY"} <= ALL


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_and_module_leads_somewhere(name):
    text, broken = text_of(name), []
    for link in LINK.findall(SPAN.sub("", FENCE.sub("", text))):
        place, _, anchor = link.partition("#")
        path = (ROOT / name).parent / place if place else ROOT / name
        if not re.match(r"[a-z]+:", link) and (
            not path.exists() or (anchor and anchor not in anchors_of(path.read_text("utf-8")))
        ):
            broken.append(link)
    assert broken == []
    modules = set(re.findall(r"python -m ([a-z_.]+)", text)) - {"pip", "pytest", "venv"}
    assert all((ROOT / f"{module.replace('.', '/')}.py").exists() for module in modules)


def test_every_variable_is_explained_in_a_table():
    tables = "".join(text_of(name) for name in DOCUMENTS if name.startswith("docs/"))
    rows = re.findall(r"^\| (`[A-Z][^|]*`) \|", tables, re.MULTILINE)
    explained = {name for row in rows for name in re.findall(r"`([A-Z][A-Z0-9_]*)`", row)}
    assert ALL - explained == set()
