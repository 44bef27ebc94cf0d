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


def within(name: str, *parts: str) -> bool:
    return any(name == f"{PACKAGE}.{part}" or name.startswith(f"{PACKAGE}.{part}.") for part in parts)


def named(*parts: str) -> list[str]:
    found = [name for name in modules() if within(name, *parts)]
    assert found, f"{parts} is empty: the rule below would hold for nothing"
    return found


def offences(sources: list[str], allowed: tuple[str, ...]) -> list[str]:
    """Imports of this package from ``sources`` that lead anywhere but to ``allowed``."""
    return [
        f"{name}:{found.line} imports {found.module}"
        for name in sources
        for found in imports(name)
        if found.module.split(".")[0] == PACKAGE and found.module != PACKAGE and not within(found.module, *allowed)
    ]


WORDS = ("errors", "episode", "clock", "workspace", "photos", "safety_limits", "durable", "lock", "standard_output")
"""What everybody speaks."""
DEVICES = ("robots", "cameras", "simulator", "drivers")
DATA = ("robots.robot", "cameras.view", "recording")

COMMAND_LINE = (
    *("app", "__main__", "options", "commands", "catalogue", "finish"),
    *("capturing", "improving", "pretraining", "running", "exchanging"),
)
"""May use everything, and nothing below uses it."""

LAYERS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("errors",): (),
    ("clock",): (),
    ("safety_limits",): (),
    ("durable",): (),
    ("standard_output",): (),
    ("lock",): ("errors", "durable"),
    ("workspace",): ("errors",),
    ("episode",): ("errors",),
    ("photos",): ("episode",),
    ("drivers",): ("errors",),
    ("configuration",): (*WORDS, "drivers"),
    ("robots", "cameras", "simulator"): (*WORDS, *DEVICES),
    ("recording",): (*WORDS, *DATA),
    ("policy",): (*WORDS, "robots.robot", "cameras.view", "policy"),
    ("goals",): (*WORDS, *DATA),
    ("exchange",): (*WORDS, *DATA, "goals", "exchange"),
    ("display",): ("errors", "episode", "clock", "robots.robot", "display"),
    ("learning",): (*WORDS, *DATA, "policy", "learning"),
    ("session",): (*WORDS, *DEVICES, "recording", "goals", "policy", "session", "learning"),  # learning: see below
}


@pytest.mark.parametrize("sources", LAYERS, ids="-".join)
def test_a_module_imports_only_what_stands_above_it(sources: tuple[str, ...]) -> None:
    assert offences(named(*sources), LAYERS[sources]) == []


def test_every_module_has_a_place_in_the_layering() -> None:
    # What is left is the command line, which may use everything.
    top = (*COMMAND_LINE, "checkpoints")
    placed = {name for sources in LAYERS for name in named(*sources)}
    assert [name for name in modules() if name not in placed and name != PACKAGE and not within(name, *top)] == []


def test_nothing_below_imports_the_command_line() -> None:
    below = [name for sources in LAYERS for name in named(*sources)]
    assert [f"{name} -> {i.module}" for name in below for i in imports(name) if within(i.module, *COMMAND_LINE)] == []


def test_rollout_and_learning_meet_on_disk_alone() -> None:
    # An improvement run is what they meet in: its rounds, a round's candidate, what is tried for it, and what is seen of it.
    run = {f"{PACKAGE}.session.{name}" for name in ("improve", "making", "exploring", "seeing")}
    sessions = [name for name in named("session") if name not in run]
    assert not {i.module for name in sessions for i in imports(name)} & run, "nothing else in a session knows of it"
    assert [name for name in sessions for i in imports(name) if within(i.module, "learning")] == []
    assert [name for name in named("learning") for i in imports(name) if within(i.module, "session")] == []
    # Not even by way of others.
    assert not reachable(f"{PACKAGE}.session.rollout") & set(named("learning", "recording"))
    assert not {name for start in named("learning") for name in reachable(start)} & set(named("session"))


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


def test_the_session_knows_no_driver() -> None:
    # "No `if sim` in session/": only the recording of the simulator's own demonstrations may name it.
    sources = [name for name in named("session") if name != f"{PACKAGE}.session.demonstrate"]
    drivers = [name for name in modules() if within(name, "robots", "cameras", "simulator")]
    allowed = {f"{PACKAGE}.robots", f"{PACKAGE}.robots.robot"}
    assert [f"{s} -> {i.module}" for s in sources for i in imports(s) if i.module in set(drivers) - allowed] == []


LIGHT = {"typer", "click"}
"""What the command line may import beside the standard library before a command is known."""


@pytest.mark.parametrize("name", ["app", "options", "__main__"])
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
