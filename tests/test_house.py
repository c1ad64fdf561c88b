"""The rules of the house that no linter holds: how much there is, and who may import whom.

A number reminds. Whoever needs more takes something away first; a second concept splits a file.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MOST = {
    "lines of prepare, train and pipeline.py": 16_000,
    "files of these": 105,
    "lines of tests": 12_000,
    "lines of the Makefile": 140,
    "rooms of prepare": 13,  # files and folders of its own level
    "arrows of prepare": 32,  # one room imports from another
    "rooms of train": 19,
    "arrows of train": 55,
    "files under 50 lines": 10,
    "percent of functions with an underscore": 20,
}
MOST_FILE_LINES, MOST_FUNCTION_LINES = 400, 60
LOOP = ("train/loop.py", "train")  # one function shows the whole of training, in its order
MOST_LOOP_LINES = 100

# Names that no file of a folder imports, at its head or inside a function.
FORBIDDEN = {
    "prepare": {"tensorflow", "keras", "train", "pipeline"},
    "train": {"cv2", "pipeline"},
    "prepare/records": {"cv2", "PIL", "scipy", "pyvips", "requests"},
    "train/restore": {"tensorflow", "keras", "scipy", "skimage"},
}
SHARED = ("prepare.records", "prepare.photographs")  # what train may import of prepare
Function = ast.FunctionDef | ast.AsyncFunctionDef


def trees_of(*places: str) -> dict[str, ast.Module]:
    """Syntax trees of files and folders, by path from the root."""
    paths = [path for place in places for path in ((ROOT / place).rglob("*.py"))]
    paths += [ROOT / place for place in places if place.endswith(".py")]
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(paths)
    }


PRODUCT = trees_of("prepare", "train", "pipeline.py")


def num_lines(path: str | Path) -> int:
    return len((ROOT / path).read_text(encoding="utf-8").splitlines())


def functions_of(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def lines_without_docstring(function: Function) -> int:
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is not None:
        lines -= function.body[0].end_lineno - function.body[0].lineno + 1
    return lines


def module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports_in(tree: ast.AST) -> set[str]:
    """Full names that are imported, in functions too: `from a.b import c` gives a.b.c."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def import_graph(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    """The modules that each module imports, at its head or within functions."""
    modules = {module_name(path): tree for path, tree in trees.items()}
    graph: dict[str, set[str]] = {}
    for module, tree in modules.items():
        targets = {
            name if name in modules else name.rpartition(".")[0] for name in imports_in(tree)
        }
        graph[module] = (targets & modules.keys()) - {module}
    return graph


def circle_in(graph: dict[str, set[str]]) -> list[str]:
    """One circle of imports, its first module repeated at its end; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def rooms_and_arrows(graph: dict[str, set[str]], package: str) -> dict[str, set[str]]:
    """The files and folders of a package's own level, and which of these each imports from."""

    def room(module: str) -> str:
        top, _, below = module.partition(".")
        return below.partition(".")[0] if top == package else ""

    rooms: dict[str, set[str]] = {}
    for module, targets in graph.items():
        if room(module):
            others = {room(target) for target in targets} - {room(module), ""}
            rooms.setdefault(room(module), set()).update(others)
    return rooms


def counts() -> dict[str, float]:
    graph = import_graph(PRODUCT)
    functions = [function.name for tree in PRODUCT.values() for function in functions_of(tree)]
    private = [name for name in functions if name.startswith("_") and not name.startswith("__")]
    lengths = {path: num_lines(path) for path in PRODUCT}
    small = [path for path, n in lengths.items() if n < 50 and not path.endswith("__init__.py")]
    found: dict[str, float] = {
        "lines of prepare, train and pipeline.py": sum(lengths.values()),
        "files of these": len(PRODUCT),
        "lines of tests": sum(map(num_lines, trees_of("tests"))),
        "lines of the Makefile": num_lines("Makefile"),
        "files under 50 lines": len(small),
        "percent of functions with an underscore": 100 * len(private) / len(functions),
    }
    for package in ("prepare", "train"):
        rooms = rooms_and_arrows(graph, package)
        found[f"rooms of {package}"] = len(rooms)
        found[f"arrows of {package}"] = sum(map(len, rooms.values()))
    return found


def test_the_house_stays_small():
    found = counts()
    assert found.keys() == MOST.keys()
    assert {what: (n, MOST[what]) for what, n in found.items() if n > MOST[what]} == {}


def test_files_and_functions_are_short():
    assert {path: n for path in PRODUCT if (n := num_lines(path)) > MOST_FILE_LINES} == {}
    lengths = {
        (path, function.name): lines_without_docstring(function)
        for path, tree in PRODUCT.items()
        for function in functions_of(tree)
    }
    assert lengths.pop(LOOP) <= MOST_LOOP_LINES
    assert {where: n for where, n in lengths.items() if n > MOST_FUNCTION_LINES} == {}


def test_imports_make_no_circle_of_files_or_rooms():
    graph = import_graph(PRODUCT)
    assert circle_in(graph) == []
    for package in ("prepare", "train"):
        assert circle_in(rooms_and_arrows(graph, package)) == []


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_folder_imports_nothing_forbidden(folder):
    sources = trees_of(folder)
    assert sources
    for path, tree in sources.items():
        tops = {name.split(".")[0] for name in imports_in(tree)}
        assert tops & FORBIDDEN[folder] == set(), path


def test_train_knows_of_prepare_only_what_is_shared():
    for path, tree in trees_of("train").items():
        names = {name for name in imports_in(tree) if name.startswith("prepare.")}
        assert {name for name in names if not name.startswith(SHARED)} == set(), path


@pytest.mark.parametrize(
    ("lock", "module"),
    [
        ("restore", "train.restore.photographs"),
        ("prepare", "prepare.dataset"),
        ("prepare", "train.studio.server"),
    ],
)
def test_an_environment_holds_what_its_modules_import(lock, module):
    """What is installed here and not locked there is hidden from the import."""
    lines = (ROOT / "requirements" / f"{lock}.lock").read_text().splitlines()
    locked = {line.split("==")[0] for line in lines if "==" in line}
    code = f"""
import importlib.metadata as metadata, importlib.abc, re, sys
locked = {locked!r}
class Hide(importlib.abc.MetaPathFinder):
    owners = metadata.packages_distributions()
    def find_spec(self, name, path=None, target=None):
        owners = self.owners.get(name.split(".")[0])
        if owners and not any(re.sub("[-_.]+", "-", o).lower() in locked for o in owners):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hide())
import {module}
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
