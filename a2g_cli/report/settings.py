"""Whether commands write a report: an option of ``a2g improve``, ``evaluate`` and ``demo``. Nothing heavy is imported."""

from dataclasses import dataclass

from a2g_cli.core.settings import setting


@dataclass(frozen=True)
class ReportSettings:
    """Whether a command ends by writing its report."""

    report: bool = setting(
        True,
        "Write a report to look at in a browser, into the workspace's folder reports/.",
        option="--report/--no-report",
        panel="General",
    )


def report_settings_from(given: dict[str, bool | None]) -> ReportSettings:
    """Return the settings as they were typed; None keeps the default."""
    return ReportSettings(**{name: value for name, value in given.items() if value is not None})
