"""Where metrics go: an option of ``a2g pretrain``, ``adapt`` and ``improve``. Nothing heavy is imported."""

from dataclasses import dataclass

from a2g_cli.core.settings import setting


@dataclass(frozen=True)
class LogSettings:
    """Where a command logs its metrics."""

    log: str | None = setting(
        None,
        "Also log losses and success to an experiment tracker: tensorboard, trackio or wandb; each needs its extra, as in "
        "a2g[tensorboard]. a2g's own metrics.jsonl is written in any case.",
        kind=str,
        metavar="TRACKER",
        panel="General",
    )


def log_settings_from(given: dict[str, str | None]) -> LogSettings:
    """Return the settings as they were typed; None keeps the default."""
    return LogSettings(**{name: value for name, value in given.items() if value is not None})
