"""Benchmarks are run by hand and seldom: what they take from a2g must still be where they look for it."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

BENCHMARKS = sorted((Path(__file__).parents[1] / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_what_a_benchmark_imports_from_a2g_is_there(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "a2g_cli":
            module = import_module(str(node.module))
            for name in (imported.name for imported in node.names):
                assert hasattr(module, name) or import_module(f"{node.module}.{name}"), (
                    f"{path.name}, line {node.lineno}"
                )
