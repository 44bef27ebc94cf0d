"""``a2g view``: serve the page over a workspace until Ctrl-C."""

import os
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress

from a2g_cli.cli.commands.report import Report
from a2g_cli.core.errors import A2GError, UsageError
from a2g_cli.core.workspace import Workspace
from a2g_cli.display.console import stderr_console
from a2g_cli.display.lines import say
from a2g_cli.view.access import TOKEN, Access, is_loopback
from a2g_cli.view.settings import ViewSettings

NICE = 10
"""How far the server steps back where other programs need the processor."""
MOST_REQUESTS = 64
"""Most requests at a time; each page that follows is one."""


def serve(workspace: Workspace, settings: ViewSettings, ready: Callable[[], object] = lambda: None) -> Report:
    """Serve the page over ``workspace`` until Ctrl-C; ``ready`` is called once requests are answered.

    The document: ``{"url": address}``.

    Raises:
        UsageError: the workspace does not exist, or the address is no address of this machine.
        A2GError: what the page needs is not installed, or the port is taken.
    """
    try:
        import uvicorn

        from a2g_cli.view.app import Site
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"starlette", "uvicorn", "anyio"}:
            raise
        raise A2GError("the page needs Starlette and uvicorn: pip install 'a2g[view]'.") from error
    if not settings.host:
        raise UsageError("--host needs an address, as in --host 0.0.0.0.")
    if not workspace.root.is_dir():
        raise UsageError(f"there is no folder {workspace.root}: name a workspace with --workspace.")
    sock = _listening(settings)
    with sock:
        port = sock.getsockname()[1]
        alone = is_loopback(settings.host) and is_loopback(sock.getsockname()[0])  # a name may lead elsewhere
        access = Access(settings.host, port, token="" if alone else secrets.token_urlsafe(24))
        server: list[uvicorn.Server] = []
        site = Site(workspace, access, settings.allow_stop, lambda: server[0].should_exit)
        config = uvicorn.Config(
            site.app(),
            log_level="warning",
            access_log=False,  # it would print the token
            server_header=False,
            proxy_headers=False,  # nobody else says where a request comes from
            lifespan="off",
            ws="none",
            limit_concurrency=MOST_REQUESTS,
            timeout_graceful_shutdown=2,
        )
        server.append(uvicorn.Server(config))
        _step_back()
        shown = url(settings.host, port)
        _tell(workspace, settings, shown, access.token)
        ready()
        with suppress(KeyboardInterrupt):  # that is how it ends
            server[0].run(sockets=[sock])
    return Report({"url": shown}, [])


def url(host: str, port: int) -> str:
    """Return the address to open; for a server on all addresses, one that others in the network reach."""
    name = _address_for_others() if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not served
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/"


def _step_back() -> None:
    """Let the control loop go first: the server never takes the processor from a program that has just woken."""
    with suppress(OSError):
        os.nice(NICE)
        if hasattr(os, "sched_setscheduler"):  # on Linux
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _address_for_others() -> str:
    """Return this machine's first address in a network; a phone may not know its name."""
    import psutil

    found = [one for addresses in psutil.net_if_addrs().values() for one in addresses if one.family == socket.AF_INET]
    return next((str(one.address) for one in found if not is_loopback(one.address)), socket.gethostname())


def _listening(settings: ViewSettings) -> socket.socket:
    """Return a socket at the address. Raises UsageError, A2GError."""
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        both = settings.host == "::" and socket.has_dualstack_ipv6()  # else a phone that knows IPv4 alone gets nothing
        return socket.create_server((settings.host, settings.port), family=family, dualstack_ipv6=both)
    except socket.gaierror as error:
        raise UsageError(f"{settings.host!r} is no address of this machine: {error.strerror or error}.") from error
    except PermissionError as error:
        raise A2GError(f"port {settings.port} needs more rights: choose one above 1023.") from error
    except (OSError, UnicodeError, OverflowError) as error:
        reason = str(getattr(error, "strerror", None) or error).partition(" (while")[0]
        advice = "choose another --port, or 0 for any that is free"
        raise A2GError(f"{settings.host}, port {settings.port} cannot be served at: {reason}; {advice}.") from error


def _tell(workspace: Workspace, settings: ViewSettings, shown: str, token: str) -> None:
    console = stderr_console()
    say(console, f"the page over {workspace.root}: {shown}{f'?{TOKEN}={token}' if token else ''}")
    if token:
        say(console, "note: whoever has this address may look, and the network can read along: use one that you trust.")
    if settings.allow_stop:
        say(console, "note: its button stops a run softly. It is no emergency stop.")
    say(console, "Ctrl-C ends it.", "dim")
