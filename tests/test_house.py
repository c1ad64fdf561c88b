"""The rules of the house that no linter holds: sizes, and who may import whom."""

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60  # from `def` to its last line, without the docstring

# Every exception, with its limit and its reason. An entry that names nothing fails.
LONGER_FILES: dict[str, tuple[int, str]] = {}
LONGER_FUNCTIONS = {
    "train/loop.py: train": (100, "one function shows the whole of training, in its order"),
}
IMPORTS_BOTH = {"pipeline.py": "the command line calls the stages of both packages"}

# Names that no file of a folder imports, at its head or inside a function.
FORBIDDEN = {
    "prepare": {"tensorflow", "keras", "train", "pipeline"},
    "train": {"cv2", "pipeline"},
}
SHARED = ("prepare.records", "prepare.photographs")  # what train may import of prepare


def trees(*places: str) -> dict[str, ast.Module]:
    """Syntax trees of files and folders, by path from the root."""
    paths: list[Path] = []
    for place in places:
        path = ROOT / place
        paths += [path] if path.suffix else sorted(path.rglob("*.py"))
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in paths
    }


def functions_in(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Qualified name and number of lines, without the docstring, of each function."""
    for child in ast.iter_child_nodes(node):
        inner = prefix
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            inner = f"{prefix}{child.name}."
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            num_lines = child.end_lineno - child.lineno + 1
            if ast.get_docstring(child) is not None:
                num_lines -= child.body[0].end_lineno - child.body[0].lineno + 1
            yield prefix + child.name, num_lines
        yield from functions_in(child, inner)


def run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes that importing the module runs: no function's body, nothing for type checkers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield other
                yield from run_at_import(other)
            continue
        yield child
        yield from run_at_import(child)


def imports_in(nodes: Iterator[ast.AST]) -> set[str]:
    """Full names that are imported: `from a.b import c` gives a.b.c."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{'.' * node.level}{node.module}.{alias.name}" for alias in node.names}
    return names


def is_in(name: str, *packages: str) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def parents_of(name: str) -> set[str]:
    """The packages that hold a module: a.b.c is in a and a.b."""
    parts = name.split(".")
    return {".".join(parts[:count]) for count in range(1, len(parts))}


def import_graph(sources: dict[str, ast.Module]) -> dict[str, set[str]]:
    """The modules that each module imports at its head.

    Importing a.b.c also runs a and a.b; those that hold the importer as well run before it.
    """
    modules = {module_name(path): tree for path, tree in sources.items()}
    graph: dict[str, set[str]] = {}
    for module, tree in modules.items():
        graph[module] = set()
        for name in imports_in(run_at_import(tree)):
            known = {each for each in parents_of(name) | {name} if each in modules}
            if known:
                target = max(known, key=len)
                graph[module] |= {target} | (known - parents_of(module))
        graph[module].discard(module)
    return graph


def circle_in(graph: dict[str, set[str]]) -> list[str]:
    """One circle of imports, its first module repeated at its end; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def folders_of(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same graph with each folder as one node: prepare.http.client is in prepare.http."""

    def folder(module: str) -> str:
        return ".".join(module.split(".")[:2])

    folders: dict[str, set[str]] = {}
    for module, targets in graph.items():
        others = {folder(target) for target in targets} - {folder(module), *parents_of(module)}
        folders.setdefault(folder(module), set()).update(others)
    return folders


def test_files_are_short():
    lengths = {
        path: len((ROOT / path).read_text(encoding="utf-8").splitlines())
        for path in trees("pipeline.py", "prepare", "train")
    }
    assert set(LONGER_FILES) <= set(lengths)
    limits = {path: LONGER_FILES.get(path, (MAX_FILE_LINES, ""))[0] for path in lengths}
    assert {path: n for path, n in lengths.items() if n > limits[path]} == {}


def test_functions_are_short():
    lengths = {
        f"{path}: {name}": num_lines
        for path, tree in trees("pipeline.py", "prepare", "train").items()
        for name, num_lines in functions_in(tree)
    }
    assert set(LONGER_FUNCTIONS) <= set(lengths)
    limits = {key: LONGER_FUNCTIONS.get(key, (MAX_FUNCTION_LINES, ""))[0] for key in lengths}
    assert {key: n for key, n in lengths.items() if n > limits[key]} == {}


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_folder_imports_nothing_forbidden(folder):
    sources = trees(folder)
    assert sources
    for path, tree in sources.items():
        names = imports_in(ast.walk(tree))
        assert {name for name in names if is_in(name, *FORBIDDEN[folder])} == set(), path


def test_train_knows_of_prepare_only_what_is_shared():
    for path, tree in trees("train").items():
        names = {name for name in imports_in(ast.walk(tree)) if is_in(name, "prepare")}
        assert {name for name in names if not is_in(name, *SHARED)} == set(), path


def test_records_need_nothing_but_numpy_and_a_lock():
    """Neither they nor what they import of prepare, since `train` loads it all."""
    sources = {module_name(path): tree for path, tree in trees("prepare").items()}
    graph = import_graph(trees("prepare"))
    waiting = {module for module in graph if is_in(module, "prepare.records")}
    assert waiting
    reached = set()
    while waiting:
        module = waiting.pop()
        reached.add(module)
        waiting |= (graph[module] | parents_of(module)) - reached
    allowed = {*sys.stdlib_module_names, "numpy", "filelock", "msgspec", "prepare"}
    for module in reached:
        names = imports_in(run_at_import(sources[module]))
        assert {name for name in names if name.split(".")[0] not in allowed} == set(), module


def test_only_the_command_line_imports_both_packages():
    top = [path.name for path in ROOT.glob("*.py")]
    found = set()
    for path, tree in trees(*top, "prepare", "train", "benchmarks").items():
        names = {name for name in imports_in(ast.walk(tree)) if not is_in(name, *SHARED)}
        packages = {name.split(".")[0] for name in names} | {path.split("/")[0]}
        if {"prepare", "train"} <= packages:
            found.add(path)
    assert found == set(IMPORTS_BOTH)


def test_imports_make_no_circle():
    graph = import_graph(trees("pipeline.py", "prepare", "train"))
    assert circle_in(graph) == []
    assert circle_in(folders_of(graph)) == []


def test_no_test_imports_another():
    for path, tree in trees("tests").items():
        names = imports_in(ast.walk(tree))
        others = {name for name in names if name.removeprefix("tests.").startswith("test_")}
        assert others == set(), path


# The rules see what they are made to see.


def test_functions_are_measured_without_docstrings():
    source = "class A:\n  def f(self):\n    '''One.\n\n    Two.\n    '''\n    pass\n"
    source += "def g():\n  def h():\n    pass\n  return h\n"
    assert dict(functions_in(ast.parse(source))) == {"A.f": 2, "g": 4, "g.h": 2}


def test_imports_for_type_checkers_and_inside_functions_do_not_run():
    source = "import a\nif TYPE_CHECKING:\n  import b\nelse:\n  import c\ndef f():\n  import d\n"
    source += "class E:\n  from e import g\ntry:\n  import h\nexcept: ...\n"
    assert imports_in(run_at_import(ast.parse(source))) == {"a", "c", "e.g", "h"}


@pytest.mark.parametrize(
    ("sources", "circle"),
    [
        ({"p/a.py": "import p.b", "p/b.py": "from p import a"}, {"p.a", "p.b"}),
        ({"p/a.py": "import p.b", "p/b.py": "def f():\n    from p import a"}, set()),
        ({"p/__init__.py": "", "p/a.py": "from p import E", "p/b.py": "from p.a import c"}, set()),
        ({"p/__init__.py": "import p.a", "p/a.py": "from p import E"}, {"p", "p.a"}),
        ({"q/__init__.py": "import p.a", "q/b.py": "", "p/a.py": "import q.b"}, {"q", "p.a"}),
    ],
)
def test_circles_are_found(sources, circle):
    graph = import_graph({path: ast.parse(text) for path, text in sources.items()})
    assert set(circle_in(graph)) == circle


def test_circles_of_folders_are_found():
    graph = {"p.x.a": {"p.y.a"}, "p.y.b": {"p.x.b"}, "p.y.a": set(), "p.x.b": set()}
    assert circle_in(graph) == []
    assert set(circle_in(folders_of(graph))) == {"p.x", "p.y"}
