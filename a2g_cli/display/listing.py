"""Lists in plain columns: names are never cut, and each item has one line, for `grep` and `cut`."""

from collections.abc import Mapping, Sequence

from rich.cells import cell_len

from a2g_cli.display.lines import printable


def listing(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return ``rows`` under their ``titles``; each column is as wide as its widest cell."""
    table = [[title.upper() for title in titles], *([printable(cell) for cell in row] for row in rows)]
    widths = [max(cell_len(row[column]) for row in table) for column in range(len(titles))]
    return ["  ".join(map(_padded, row, widths)).rstrip() for row in table]


def facts(values: Mapping[str, str]) -> list[str]:
    """Return one line per fact, with aligned values; facts without a value are left out."""
    width = max((cell_len(name) for name in values), default=0)
    return [f"{_padded(name, width)}  {printable(value)}" for name, value in values.items() if value]


def size(count: int) -> str:
    """Return ``count`` bytes formatted for people: ``512 B``, ``1.4 MB``."""
    amount, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))
