"""What is asked of the workspace that version 0.1 wrote, through the command line alone, and how answers are compared.

``tests/data/make_version_0_1.py`` asked version 0.1 the same and wrote its answers down; ``test_version_0_1.py`` asks the
version of today. Words that have another name today are said here once: ``KEYS`` and ``VALUES``; a renamed option is found
by typing it, as a user would, and reading the name in the answer.
"""

import json
import lzma
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import cli_examples
import click
import h5py
import numpy as np
from cli_examples import a2g
from safetensors.numpy import load_file
from typer.main import get_command

DATA = Path(__file__).parent / "data" / "version-0.1"
HERE = "@WORKSPACE@"
"""Stands in the files for the folder of the workspace."""

KEYS: dict[str, str] = {}
"""Keys of ``--json`` documents: version 0.1's -> today's, for those that have another name today."""
SHIFTS = {"remounted": "base-pose", "relit": "lighting", "weak-motors": "actuator-gain", "other-bench": "combined"}
VALUES: dict[tuple[str, str], str] = {
    **{(where, old): new for where in ("--shift", "shift") for old, new in SHIFTS.items()},
    ("--reset", "home"): "rest-pose",
    **{(where, "none"): "base" for where in ("--adapter", "--parent", "adapters promote")},
    **{(where, "none"): "base" for where in ("active", "adapter", "adapter_name", "before", "parent")},
    ("--keep", "arrived"): "reached",
    ("keep", "arrived"): "reached",
    ("--calibrate", "teach"): "apply",  # removed: the answer says so, and names what is left
}
"""Values: (where, version 0.1's word) -> today's word. Where is the option that it is typed after, ``--shift``; the command,
where it is typed after none, ``adapters promote``; or the key of a document, ``shift``."""

PASSING = {"seconds", "rollout_seconds", "adapt_seconds", "created_at", "changed_at", "bytes", "waited_for_disk"}
PASSING |= {"planning_ms", "timing", "fits_shipped_base", "machine", "command"}
"""Keys of values that are another each time, or of another machine."""
PROSE = {"reason", "notes", "problem", "problems", "warnings", "next", "message"}
"""Keys of sentences, which may be said otherwise."""
ADAPTERS = ("none", "imitated", "dora", "calibrated", "mounted", "rehearsed-1")
"""Who acts: the base, and an adapter of each kind."""
ACTING = (*((name, "home") for name in ("none", "imitated", "dora", "rehearsed-1", "calibrated")),)
ACTING += tuple((name, "bench") for name in ("none", "calibrated", "mounted"))
"""Who acts, and what the camera shows: the scene as it was demonstrated, or another bench."""
RUN = ("--preset", "micro", "--iterations", 8, "--autoencoder-iterations", 6, "--batch", 4)
"""The pretraining that was stopped."""


def unpack(folder: Path) -> Path:
    """Copy the workspace into ``folder``, as if it had been written there."""
    for source in sorted(path for path in (DATA / "workspace").rglob("*") if path.is_file()):
        target = folder / source.relative_to(DATA / "workspace")
        target.parent.mkdir(parents=True, exist_ok=True)
        content = source.read_bytes()
        if source.suffix == ".xz":
            target, content = target.with_suffix(""), lzma.decompress(content)
        if source.suffix in {".json", ".toml"}:
            content = content.replace(HERE.encode(), str(folder).encode())
        target.write_bytes(content)
    for index in folder.glob("recordings/sessions/*/index.json"):  # believed only with the moments that it names
        for name, entry in json.loads(index.read_bytes().partition(b"\n")[2]).items():
            os.utime(index.with_name(name), ns=(entry["version"][1],) * 2)
    names = json.loads((DATA / "adapters.json").read_text())
    for number, name in enumerate(names):  # oldest first, as they were made
        for path in (folder / "adapters" / name).iterdir():
            os.utime(path, (1_767_225_600 + number,) * 2)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of ``folder``, and what is in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@cache
def commands() -> dict[str, click.Command]:
    """Return today's commands by what is typed: ``improve``, ``recordings list``; the empty name is ``a2g`` itself."""

    def below(name: str, command: Any) -> dict[str, click.Command]:
        found = {name: command}
        for word, inner in getattr(command, "commands", {}).items():
            found |= below(f"{name} {word}".strip(), inner)
        return found

    return below("", get_command(cli_examples.app))


def options(command: Any) -> dict[str, Any]:
    """Return the options that a command shows, by each of their names."""
    shown = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    found = {name: one for one in shown for name in (*one.opts, *one.secondary_opts)}
    return {name: one for name, one in found.items() if name not in {"--install-completion", "--show-completion"}}


def surface() -> dict[str, Any]:
    """Return every command's options, and what each takes: nothing, or a value."""
    found = {}
    for name, command in commands().items():
        needed = [one for one in command.params if one.param_type_name == "argument" and one.required]
        takes = {option: "nothing" if one.is_flag else "value" for option, one in sorted(options(command).items())}
        found[name] = {"options": takes, "arguments": len(needed), "group": hasattr(command, "commands")}
    return found


def asked(workspace: Path, *words: object) -> tuple[int, dict[str, Any]]:
    """Ask what version 0.1 was asked; return the exit code and the document."""
    result = a2g(workspace, *_as_today([str(word) for word in words]), "--json")
    assert "Traceback" not in result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return result.exit_code, document


def _as_today(words: list[str]) -> list[str]:
    count = 2 if " ".join(words[:2]) in commands() else 1
    name = " ".join(words[:count])
    known = options(commands()[name])
    typed, where = words[:count], name
    for word in words[count:]:
        is_option = word.startswith("--")
        typed.append(new_name(name, word) if is_option and word not in known else said_today(where, word))
        where = word if is_option else name
    return typed


def said_today(where: str, value: str) -> str:
    """Return a value of version 0.1 as it is said today; what follows a colon is kept: ``relit:0.3``."""
    head, colon, rest = value.partition(":")
    return VALUES.get((where, head), head) + colon + rest


@cache
def new_name(command: str, option: str) -> str:
    """Type an option that a command does not have any more; return the one that the answer names instead."""
    old = json.loads((DATA / "options.json").read_text())[command]
    value = ["1"] if old["options"][option] == "value" else []
    result = a2g(Path.cwd(), *command.split(), *["x"] * old["arguments"], option, *value, "--json")
    assert result.exit_code == 2, f"a2g {command} {option}: exit code {result.exit_code}, not 2"
    message = json.loads(result.stdout)["error"]["message"]
    assert "\n" not in message, message
    assert "no such option" not in message.lower(), f"a2g {command} {option} is only guessed at: {message}"
    offered = [word for word in re.findall(r"--[a-z0-9][a-z0-9-]*", message) if word in options(commands()[command])]
    assert offered, f"a2g {command} {option}: the answer names no option of today: {message}"
    return str(offered[0])


def differences(old: Any, new: Any, where: str = "", key: str = "") -> list[str]:
    """Return where today's answer differs from version 0.1's; what is new beside it is none of that.

    Args:
        old: version 0.1's.
        new: today's.
        where: what is compared, for people.
        key: under which both were found.
    """
    if key in PASSING:
        return []
    if isinstance(old, dict):
        found = []
        for name, value in old.items():
            today = KEYS.get(name, name)
            if not isinstance(new, dict) or today not in new:
                found.append(f"{where}: {today!r} is missing")
            else:
                found += differences(value, new[today], f"{where}.{name}", name)
        return found
    if isinstance(old, list):
        if not isinstance(new, list) or len(old) != len(new):
            return [f"{where}: {new!r} is not as many as {old!r}"]
        pairs = enumerate(zip(old, new, strict=True))
        return [one for i, (a, b) in pairs for one in differences(a, b, f"{where}[{i}]", key)]
    if isinstance(old, str):
        same = isinstance(new, str) and (key in PROSE or new in {old, said_today(key, old)})
    elif isinstance(old, bool) or old is None:
        same = new is old
    else:
        same = isinstance(new, int | float) and abs(new - old) <= 2e-3 * max(1.0, abs(old))
    return [] if same else [f"{where}: {new!r} is not {old!r}"]


def told(workspace: Path, document: Any) -> Any:
    """Return a document without what is another each time, and without the place of the workspace."""
    if isinstance(document, dict):
        return {key: told(workspace, value) for key, value in document.items() if key not in PASSING}
    if isinstance(document, list):
        return [told(workspace, value) for value in document]
    return document.replace(str(workspace), HERE) if isinstance(document, str) else document


def _said(workspace: Path, *words: object) -> dict[str, Any]:
    code, document = asked(workspace, *words)
    return {"code": code, "document": told(workspace, document)}


def looked_at(workspace: Path) -> dict[str, Any]:
    """Look at everything; nothing changes by it."""
    sessions = ("monday", "tuesday", "depth", "demonstrations", "rehearsed", "explored")
    words: list[tuple[object, ...]] = [("recordings", "list"), ("recordings", "verify"), ("goals", "list")]
    words += [("recordings", "list", name) for name in sessions]
    words += [("recordings", "show", name) for name in ("monday", "depth")]
    words += [("replay", "explored"), ("replay", "depth/episode-0000"), ("goals", "show", "drawn")]
    words += [("goals", "show", "photo"), ("goals", "show", "achieved"), ("adapters", "list")]
    words += [("adapters", "show", name) for name in ADAPTERS[1:]]
    words += [("recordings", "repair", "--dry-run"), ("adapt", "monday", "--dry-run", "--base", workspace / "base")]
    return {" ".join(map(str, one)).replace(str(workspace), HERE): _said(workspace, *one) for one in words}


def changed(workspace: Path) -> dict[str, Any]:
    """Mend what was cut off, choose who acts, and remove."""
    words: list[tuple[object, ...]] = [
        ("recordings", "repair"),
        ("recordings", "verify", "monday"),
        ("adapters", "rollback"),
        ("adapters", "rollback"),
        ("adapters", "promote", "dora"),
        ("adapters", "promote", "none"),
        ("adapters", "rm", "dora", "--yes"),
        ("goals", "rm", "achieved", "--yes"),
        ("recordings", "rm", "tuesday", "--yes"),
        ("recordings", "list"),
    ]
    # The gate refused it: today that is said, and promoting it all the same has to be typed.
    added = {("adapters", "promote", "dora"): ("--force",)}
    return {
        f"{i} {' '.join(map(str, one))}": _said(workspace, *one, *added.get(one, ())) for i, one in enumerate(words)
    }


def acted(workspace: Path, adapter: str, where: str = "home") -> list[list[float]]:
    """Let ``adapter`` act for eight steps on an image that never changes; return its actions (8, 4) [m, m, m, 1].

    Nothing is drawn: what acts sees the same pixels on every machine.
    """
    camera = f"front=images:{workspace / 'pictures' / where}"
    words = ("--adapter", adapter, "--base", workspace / "base", "--steps", 8, "--seed", 3, "--camera", camera)
    code, document = asked(workspace, "run", "photo", *words)
    assert code in {0, 5}, document
    path = document[KEYS.get("recordings", "recordings")][0][KEYS.get("path", "path")]
    with h5py.File(path) as file:  # as robomimic reads it
        actions = np.asarray(file["data/demo_0/actions"])
    return [[round(float(value), 6) for value in row] for row in actions]


def adapted(workspace: Path) -> dict[str, Any]:
    """Go on learning from old recordings, from an old adapter."""
    base = ("--base", workspace / "base", "--keep", "all", "--iterations", 2)
    words = ("adapt", "monday", "demonstrations", "--parent", "imitated", "--name", "onward", *base)
    # Today an episode is held out where the gate is asked, so that it can accept the result.
    words = (*words, "--no-promote")
    return {"adapt": _said(workspace, *words), "actions": acted(workspace, "onward")}


def resumed(workspace: Path, session: str) -> dict[str, Any]:
    """Go on with an improvement run that was killed."""
    free = _said(workspace, "adapters", "promote", "none")  # nobody but the run itself has made something active
    said = _said(workspace, "improve", "--resume", session)
    words = (("recordings", "list", session), ("recordings", "verify", session), ("adapters", "list"))
    return {"free": free, "improve": said, **{" ".join(one): _said(workspace, *one) for one in words}}


def pretrained(workspace: Path) -> dict[str, Any]:
    """Go on with a pretraining that was stopped; return what it said, and what became of the weights."""
    out = workspace / "training" / "run"
    said = _said(workspace, "pretrain", "demonstrations", *RUN, "--out", out)
    assert said["code"] == 0, said
    weights = load_file(out / "checkpoint" / "model.safetensors").values()
    sizes = sorted(float(np.abs(value.astype(np.float64)).mean()) for value in weights)
    return {"pretrain": said, "weights": [round(value, 6) for value in sizes]}


def understood(workspace: Path) -> dict[str, int]:
    """Have each ``a2g.toml`` with every key read; return file -> exit code, 3 for hardware that is not here."""
    codes = {}
    for path in sorted((DATA / "settings").glob("*.toml")):
        (workspace / "a2g.toml").write_bytes(path.read_bytes())
        words = ("capture-goal", path.stem, "--from-image", f"front={workspace / 'photo.png'}")
        code, document = asked(workspace, *words)
        message = document.get("error", {}).get("message", "")
        assert "a2g.toml" not in message, message
        codes[path.name] = code
    return codes
