"""Documents are tried as people try them: every command and every link in them leads somewhere."""

import json
import re
import shlex
from itertools import chain

import pytest
from helpers.make_calls import make, write_clone
from helpers.pair_files import ROOT

DOCUMENTS = ["README.md", "README.es.md", "CONTRIBUTING.md", "data/README.md"]
DOCUMENTS += ["tf_checkpoints/README.md"]
DOCUMENTS += sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md"))
DOCUMENTS += ["tf_checkpoints/pretrained/README.md", "docs/pix2pix_deblurrer.ipynb"]
DOCUMENTS += ["benchmarks/RECIPE.md"]

# What targets take beside their flags, which the Makefile lists as `of-<target>`.
OF_ALL = {"DEVICE", "PYTHON", "ROCM_WHEEL"}
BESIDE_FLAGS = {"deblur": {"IN"}, "test": {"ARGS"}, "bench": {"TORCH"}, "lock": {"UPGRADE"}}
BESIDE_FLAGS["fuzz"] = {"EXAMPLES", "SEED"}

FENCE = re.compile(r"^```.*?$(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def text_of(name: str) -> str:
    """The text of a document; of a notebook, with its code in blocks, as a terminal takes it."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return as_markdown(json.loads(text)["cells"]) if name.endswith(".ipynb") else text


def as_markdown(cells: list[dict]) -> str:
    parts = []
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            typed = re.sub(r"\{[A-Za-z_.]+\}", "", re.sub("^ *!", "", source, flags=re.MULTILINE))
            source = f"```\n{typed}\n```"
        parts.append(source)
    return "\n\n".join(parts)


def spans_of(text: str) -> list[str]:
    """What stands between backticks; a command may go on in the next line."""
    outside = FENCE.sub("", text)
    inside = chain.from_iterable(map(SPAN.findall, FENCE.findall(text)))
    return [" ".join(span.split()) for span in [*SPAN.findall(outside), *inside]]


def commands_of(text: str) -> list[str]:
    """Every `make ...` in backticks, and every line of a block that begins with it."""
    lines = [line.removeprefix("$ ") for block in FENCE.findall(text) for line in block.split("\n")]
    return [each for each in spans_of(text) + lines if re.match(r"make( |$)", each)]


def anchors_of(text: str) -> set[str]:
    """The anchors that GitHub gives a document's headings."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def unknown_in(text: str, targets: set[str], variables: dict[str, set[str]]) -> list[str]:
    """The commands of a document that name a target or a variable that there is not."""
    wrong = []
    for command in commands_of(text):
        words = shlex.split(command, comments=True)[1:]
        typed = {word.partition("=")[0] for word in words if "=" in word}
        goals = [word for word in words if "=" not in word and not word.startswith("-")]
        taken = OF_ALL.union(*(variables.get(goal, set()) for goal in goals))
        if not set(goals) <= targets or not typed <= taken:
            wrong.append(command)
    return wrong


@pytest.fixture(scope="module")
def targets():
    return set(re.findall(r"^([a-z][a-z-]*):(?!=)", text_of("Makefile"), re.MULTILINE))


@pytest.fixture(scope="module")
def variables(tmp_path_factory, targets):
    """The variables of each target as make itself expands them, and under "" all there are."""
    clone = write_clone(tmp_path_factory.mktemp("documents"))
    asked = "".join(f"$(info {each} $(of-{each}))\n" for each in sorted(targets))
    (clone / "asked.mk").write_text(f"include Makefile\n{asked}$(info KNOWN $(KNOWN))\n")
    answer = make(clone, "-f", "asked.mk", "-n", "help").out
    rows = [line.split() for line in answer.splitlines()]
    found = {row[0]: set(row[1:]) for row in rows if row and row[0] in {"KNOWN", *targets}}
    assert set().union(OF_ALL, *BESIDE_FLAGS.values()) <= found["KNOWN"]
    every = {name: found[name] | BESIDE_FLAGS.get(name, set()) for name in targets}
    return every | {"": found["KNOWN"]}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_is_known_to_the_makefile(name, targets, variables):
    assert unknown_in(text_of(name), targets, variables) == []


def test_what_the_makefile_does_not_know_is_noticed(targets, variables):
    right = ["make", "make train STEPS=3 RUN=x", 'make blur RADIUS="1 2"', "make test ARGS=-x"]
    wrong = ["make tea", "make train RADUIS=3", "make export KERNEL=a", "make setup N=3"]
    text = "".join(f"`{each}` " for each in right + wrong[:2])
    text += "\n```\n" + "\n".join([*right, *wrong[2:]]) + "\n```\n"
    assert sorted(unknown_in(text, targets, variables)) == sorted(wrong)


def test_commands_of_a_notebook_are_seen():
    cells = [
        {"cell_type": "code", "source": ["N = 8\n", "if N:\n", "    !make tea N={N} {MORE}"]},
        {"cell_type": "markdown", "source": ["Type `make coffee`."]},
    ]
    assert sorted(commands_of(as_markdown(cells))) == ["make coffee", "make tea N= "]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_variable_that_is_set_is_known_to_the_makefile(name, variables):
    given = {
        word.partition("=")[0]
        for span in spans_of(text_of(name))
        for word in span.split()
        if re.match(r"[A-Z_]+=", word)
    }
    assert given - {"TF_CONFIG", "ORT_DISABLE_TELEMETRY"} <= variables[""]


def test_every_variable_is_explained_in_one_row_of_one_table(variables):
    tables = "".join(text_of(name) for name in DOCUMENTS if name.startswith("docs/"))
    rows = re.findall(r"^\| (`[A-Z][^|]*`) \|", tables, re.MULTILINE)
    names = re.compile(r"`[A-Z][A-Z0-9_]*`(, `[A-Z][A-Z0-9_]*`)*")
    explained = [name for row in rows if names.fullmatch(row) for name in SPAN.findall(row)]
    assert sorted(explained) == sorted(variables[""])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_to_a_file_and_a_heading(name):
    text = text_of(name)
    broken = []
    for link in LINK.findall(SPAN.sub("", FENCE.sub("", text))):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        path = (ROOT / name).parent / place if place else ROOT / name
        if not path.exists() or (anchor and anchor not in anchors_of(path.read_text("utf-8"))):
            broken.append(link)
    assert broken == []


def test_the_readmes_tell_of_the_same_commands(targets):
    told = [
        {goal for each in commands_of(text_of(name)) for goal in targets & set(each.split())}
        for name in ("docs/commands.md", "README.md", "README.es.md")
    ]
    assert told[1] | told[2] <= told[0]
    assert {"demo", "dataset", "train", "evaluate", "blur", "deblur"} <= told[1] & told[2]
    assert "test" in told[1]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_module_that_is_run_exists(name):
    modules = set(re.findall(r"python -m ([a-z_.]+)", text_of(name))) - {"pip", "pytest", "venv"}
    assert all((ROOT / f"{module.replace('.', '/')}.py").exists() for module in modules)


def test_every_round_of_trials_opens_with_its_conclusion():
    parts = re.split(r"^## (.*)\n", text_of("benchmarks/RECIPE.md"), flags=re.MULTILINE)[1:]
    heads_and_texts = zip(parts[::2], parts[1::2], strict=True)
    rounds = {head: text for head, text in heads_and_texts if " round" in head}
    assert len(rounds) >= 4
    for heading, text in rounds.items():
        conclusion = text.strip().split("\n\n")[0]
        assert re.fullmatch(r"\*\*[^*]+\*\*", conclusion), heading
        assert len(conclusion.splitlines()) <= 2, heading
