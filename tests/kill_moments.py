"""An improvement run that nothing interrupts, and what the disk held each time that it saved its progress.

A run that is killed leaves what stands on the disk, and no more: no ``finally`` is reached. So a copy of the workspace is
what a kill at that moment leaves, and one run gives them all.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_examples import ask

from a2g_cli.improvement.state import RunState


class KillMoments:
    """The run ``a2g improve words...`` in a workspace of its own."""

    def __init__(self, folder: Path, *words: object, when: Callable[[RunState], bool] = lambda _: True) -> None:
        """Run it.

        Args:
            folder: its ``workspace`` may have goals in it.
            words: of the command.
            when: which saves are counted.
        """
        self.workspace, self._copies = folder / "workspace", folder / "copies"
        self.saves = 0
        save = RunState.save

        def saved(state: RunState) -> None:
            if not when(state):
                save(state)
                return
            self.saves += 1
            shutil.copytree(self.workspace, self._copy(self.saves, written=False))
            save(state)
            shutil.copytree(self.workspace, self._copy(self.saves, written=True))

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(RunState, "save", saved)
            self.document: dict[str, Any] = ask(self.workspace, "improve", *words)

    def _copy(self, save: int, written: bool) -> Path:
        return self._copies / f"{save}-{'after' if written else 'before'}"

    def left(self, workspace: Path, save: int, written: bool = True) -> None:
        """Put into ``workspace`` what a kill leaves just before, or after, save number ``save``; 1 is the first."""
        shutil.copytree(self._copy(save, written), workspace, dirs_exist_ok=True)

    def ended(self, workspace: Path) -> None:
        """Put into ``workspace`` what the run left when it had ended."""
        shutil.copytree(self.workspace, workspace, dirs_exist_ok=True)
