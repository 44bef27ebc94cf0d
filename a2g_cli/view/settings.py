"""Options of ``a2g view``. Nothing heavy is imported."""

from dataclasses import dataclass

from a2g_cli.core.settings import setting


@dataclass(frozen=True)
class ViewSettings:
    """Where the page is served, and what it may do."""

    host: str = setting(
        "127.0.0.1",
        "Address to serve at. Any other than this machine's own needs the token that is printed: 0.0.0.0 serves to the whole "
        "network, for a phone beside the robot.",
        metavar="ADDRESS",
    )
    port: int = setting(8321, "Port to serve at; 0: any that is free.", metavar="N", low=0, high=65535)
    allow_stop: bool = setting(
        False,
        "Show a button that stops a run softly, as one Ctrl-C does. Without it the page only reads.",
        option="--allow-stop/--no-allow-stop",
    )


def view_settings_from(given: dict[str, object]) -> ViewSettings:
    """Return the settings as they were typed; None keeps the default."""
    return ViewSettings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
