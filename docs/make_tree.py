"""Write the file tree into ARCHITECTURE.md: one line a file, each the first paragraph of its own docstring.

python docs/make_tree.py            # rewrite it
python docs/make_tree.py --check    # exit 1 when it is not current
"""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- tree: made by docs/make_tree.py -->\n", "<!-- end of tree -->"
FOLDERS = ("a2g_cli", "benchmarks")
BESIDE = (
    ("adapters/", "LoRA adapters (README.md says what is what)"),
    ("recordings/", "goals and sessions (README.md is the HDF5 schema)"),
    ("tests/", "invariants, contracts and real runs; test_<module>.py mirrors the package"),
    ("docs/", "the pages of the site, and the scripts that make the tree, the command line reference and the images"),
    ("examples/", "a driver package outside of a2g"),
)


def summary(path: Path) -> str:
    """Return the first paragraph of a module's docstring, without its full stop."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    line = " ".join(text.split("\n\n")[0].split())
    return line.removesuffix(".")


def entries(folder: Path, depth: int) -> list[tuple[str, str]]:
    """Return (indented name, summary) of a package's files, packages after modules."""
    rows = [("  " * depth + f"{folder.name}/", summary(folder / "__init__.py") if depth else "")]
    for path in sorted(folder.glob("*.py")):
        if path.name not in {"__init__.py", "__main__.py"}:
            rows.append(("  " * (depth + 1) + path.name, summary(path)))
    for inner in sorted(path for path in folder.iterdir() if (path / "__init__.py").exists()):
        rows += entries(inner, depth + 1)
    return rows


def tree() -> str:
    """Return the whole tree as a code block."""
    rows = [row for name in FOLDERS for row in entries(ROOT / name, 0)] + list(BESIDE)
    lines = [f"    {name:<30} {text}".rstrip() for name, text in rows]
    return BEGIN + "\n" + "\n".join(lines) + "\n\n" + END


def main() -> None:
    """Rewrite or check ARCHITECTURE.md."""
    page = ROOT / "ARCHITECTURE.md"
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{page.name} has no place for the tree: it lacks {BEGIN.strip()!r} or {END!r}")
    made = before + tree() + after
    if "--check" in sys.argv:
        if made != text:
            raise SystemExit("ARCHITECTURE.md's tree is not current: run python docs/make_tree.py")
    else:
        page.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
