"""LeRobot's teleoperators that give joint positions, such as leader arms. LeRobot is imported when one is made."""

from collections.abc import Mapping
from typing import Any

from a2g_cli.core.errors import HardwareError
from a2g_cli.robots.lerobot_types import TELEOPERATORS, calling_lerobot, joints, make, words_of


class LeRobotTeleoperator:
    """A LeRobot teleoperator, by its type: ``lerobot:so101_leader``.

    Args:
        type: LeRobot's name of it, as in ``--teleop.type`` of its own commands.
        config: LeRobot's own settings, as in ``--teleop.*``: ``port``, ``id``, ...

    Raises:
        HardwareError: LeRobot, or a package that it needs, is not installed; a leader arm was never calibrated.
        UnknownNameError: LeRobot knows no such teleoperator.
        UsageError: LeRobot refuses the settings.
    """

    def __init__(self, type: str, config: Mapping[str, Any] | None = None) -> None:  # noqa: A002 - LeRobot's word
        self._device = make(type, dict(config or {}), TELEOPERATORS)
        self._name = f"lerobot:{type}"
        measured = joints(self._device)
        with calling_lerobot(f"{self._name} does not say what it gives"):
            names = list(self._device.action_features)
        self._units = {name: measured[name].unit if name in measured else "" for name in names}

    @property
    def units(self) -> Mapping[str, str]:
        """Name -> unit of the numbers of an action, from the arm's calibration."""
        return self._units

    def connect(self) -> None:
        """Open the device; it asks nothing. Raises HardwareError: no answer, or another calibration than the file's."""
        with calling_lerobot(f"{self._name} does not connect"):
            self._device.connect(calibrate=False)
            calibrated = self._device.is_calibrated
        if not calibrated:
            error = HardwareError(
                f"{self._name}: its motors have another calibration than {self._device.calibration_fpath}: run "
                f"lerobot-calibrate --teleop.type={self._name.partition(':')[2]} --teleop.id={self._device.id} with its port."
            )
            try:
                self.close()
            except HardwareError as another:
                error.add_note(f"It could not be closed either: {words_of(another)}")
            raise error

    def action(self) -> Mapping[str, float]:
        """Return name -> value of where it is held now. Raises HardwareError."""
        with calling_lerobot(f"{self._name} gives no action"):
            return {name: float(value) for name, value in self._device.get_action().items() if name in self._units}

    def close(self) -> None:
        """Disconnect; harmless when called twice. Raises HardwareError."""
        with calling_lerobot(f"{self._name} did not disconnect"):
            if self._device.is_connected:
                self._device.disconnect()
