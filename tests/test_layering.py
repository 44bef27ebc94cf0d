"""The layering of ARCHITECTURE.md, held by walking the imports of every module."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import a2g_cli

ROOT = Path(a2g_cli.__file__).parent
PACKAGE = "a2g_cli"


@dataclass(frozen=True)
class Import:
    """One import statement's target, seen from the module that holds it."""

    module: str
    line: int
    top: bool
    """Runs when the module is imported: neither in a function nor only for type checkers."""


@cache
def modules() -> dict[str, Path]:
    return {
        ".".join([PACKAGE, *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__"): path
        for path in sorted(ROOT.rglob("*.py"))
    }


def is_type_checking(node: ast.If) -> bool:
    return "TYPE_CHECKING" in ast.dump(node.test)


def statements(node: ast.AST, top: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, top
        inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        inner |= isinstance(child, ast.If) and is_type_checking(child)
        yield from statements(child, top and not inner)


@cache
def imports(name: str) -> tuple[Import, ...]:
    found = []
    tree = ast.parse(modules()[name].read_text(encoding="utf-8"))
    for statement, top in statements(tree, top=True):
        if isinstance(statement, ast.Import):
            targets = [alias.name for alias in statement.names]
        else:
            assert statement.level == 0, f"{name}:{statement.lineno} imports relatively"
            base = statement.module or ""
            # `from package import module` imports the module.
            below = [f"{base}.{alias.name}" for alias in statement.names]
            targets = [child for child in below if child in modules()] or [base]
        found += [Import(target, statement.lineno, top) for target in targets]
    return tuple(found)


ORDER = (
    ("core",),
    ("robots", "cameras", "simulator"),
    ("data",),
    ("models",),
    ("policies",),
    ("encoding",),
    ("calibration",),
    ("demo_replay",),
    ("adapters",),
    ("training", "runtime"),
    ("improvement",),
    ("display",),
    ("tracking",),
    ("live",),
    ("report",),
    ("view",),
    ("cli",),
)
"""A module imports only from its own folder, or from folders of an earlier line."""

SIBLINGS = {"robots", "cameras", "simulator"}
"""What moves and sees: these may import one another. Training and runtime must not: they meet on disk."""

OUTSIDE = {"__main__", "checkpoints"}
"""The entry of ``python -m a2g_cli``, and the weights that ship."""


def folder(name: str) -> str:
    return name.split(".")[1]


def may_import(folder_: str, target: str) -> bool:
    rank = {one: i for i, line in enumerate(ORDER) for one in line}
    if folder_ == target or {folder_, target} <= SIBLINGS:
        return True
    return rank[target] < rank[folder_]


def placed() -> list[str]:
    return [name for name in modules() if name != PACKAGE and folder(name) not in OUTSIDE]


def test_every_module_has_a_place() -> None:
    known = {one for line in ORDER for one in line}
    assert {folder(name) for name in placed()} == known


@pytest.mark.parametrize("source", [one for line in ORDER for one in line])
def test_a_module_imports_only_what_stands_before_it(source: str) -> None:
    found = [
        f"{name}:{one.line} imports {one.module}"
        for name in placed()
        if folder(name) == source
        for one in imports(name)
        if one.module.startswith(f"{PACKAGE}.") and not may_import(source, folder(one.module))
    ]
    assert found == []


def test_rollout_and_training_meet_on_disk_alone() -> None:
    # Not even by way of others.
    assert not reachable(f"{PACKAGE}.runtime.rollout") & {n for n in placed() if folder(n) in {"training", "data"}}
    trained = {other for name in placed() if folder(name) == "training" for other in reachable(name)}
    assert not trained & {name for name in placed() if folder(name) == "runtime"}


@cache
def reachable(name: str) -> frozenset[str]:
    """Modules of this package that importing ``name``, and calling what is in it, can import."""
    seen, waiting = set(), [name]
    while waiting:
        for found in imports(waiting.pop()):
            if found.module in modules() and found.module not in seen:
                seen.add(found.module)
                waiting.append(found.module)
    return frozenset(seen)


def test_what_runs_episodes_knows_no_driver() -> None:
    # No `if sim` where episodes run: robots and cameras are what their Protocols say.
    allowed = {f"{PACKAGE}.robots", f"{PACKAGE}.robots.base", f"{PACKAGE}.cameras.base", f"{PACKAGE}.cameras.metadata"}
    found = [
        f"{name} -> {one.module}"
        for name in placed()
        if folder(name) in {"runtime", "improvement"}
        for one in imports(name)
        if one.module.startswith(f"{PACKAGE}.") and folder(one.module) in SIBLINGS and one.module not in allowed
    ]
    assert found == []


LIGHT = {"typer", "click"}
"""What the command line may import beside the standard library before a command is known."""


@pytest.mark.parametrize("name", ["cli.app", "cli.options", "__main__"])
def test_the_command_line_imports_nothing_heavy_before_it_must(name: str) -> None:
    import sys

    start = f"{PACKAGE}.{name}"
    seen, waiting, heavy = {start}, [start], []
    while waiting:
        module = waiting.pop()
        for found in imports(module):
            if not found.top:
                continue
            if found.module in modules():
                if found.module not in seen:
                    seen.add(found.module)
                    waiting.append(found.module)
            elif found.module.split(".")[0] not in LIGHT | set(sys.stdlib_module_names):
                heavy.append(f"{module}:{found.line} imports {found.module}")
    assert heavy == []


def test_nothing_is_unpickled() -> None:
    unsafe = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
    imported = [f"{name}:{i.line} imports {i.module}" for name in modules() for i in imports(name)]
    assert [line for line in imported if line.split()[-1].split(".")[0] in unsafe] == []


LOADERS = {("torch", "load"), ("torch", "jit"), ("torch", "package")}


def test_no_loader_that_unpickles_is_called() -> None:
    found = []
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = (
                (node.value.id, node.attr)
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
                else ()
            )
            if called in LOADERS:
                found.append(f"{name}:{node.lineno} {'.'.join(called)}")
            if isinstance(node, ast.ImportFrom) and node.module == "torch":
                found += [f"{name}:{node.lineno}" for alias in node.names if alias.name == "load"]
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                found.append(f"{name}:{node.lineno} allow_pickle")
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in {"eval", "exec"}
                and not all(isinstance(given, ast.Constant) for given in node.args)  # a text that stands here is code
            ):
                found.append(f"{name}:{node.lineno} {node.func.id}")
    assert found == []


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("def f():\n    import torch\n", [("torch", False)]),
        ("import torch\n", [("torch", True)]),
        ("class A:\n    import torch\n", [("torch", True)]),
        ("if TYPE_CHECKING:\n    import torch\n", [("torch", False)]),
        ("try:\n    import torch\nexcept ImportError:\n    pass\n", [("torch", True)]),
    ],
)
def test_the_walk_tells_what_runs_at_import(source: str, target: list[tuple[str, bool]]) -> None:
    walked = [(statement.names[0].name, top) for statement, top in statements(ast.parse(source), top=True)]
    assert walked == target
