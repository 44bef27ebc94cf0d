"""A page over a small workspace, asked as a browser asks, without a socket or with one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.testclient import TestClient

from a2g_cli.core.workspace import Workspace
from a2g_cli.view.access import Access
from a2g_cli.view.app import Site

PORT = 8321


def client(
    root: Path, allow_stop: bool = False, host: str = "127.0.0.1", token: str = "", looks: int = 2, asked_as: str = ""
) -> TestClient:
    """Return a browser without a window that looks at the page over ``root``; a page that follows does so ``looks`` times."""
    left = iter(range(looks))
    site = Site(Workspace(root), Access(host, PORT, "the key", token), allow_stop, lambda: next(left, None) is None)
    name = asked_as or ("127.0.0.1" if host == "0.0.0.0" else host)  # noqa: S104 - compared
    return TestClient(site.app(), f"http://{name}:{PORT}", follow_redirects=False)


@contextmanager
def served(root: Path, allow_stop: bool = False) -> Iterator[str]:
    """Serve the page over ``root`` on a free port while the block runs; yield its address."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        server: list[uvicorn.Server] = []
        site = Site(Workspace(root), Access("127.0.0.1", port), allow_stop, lambda: server[0].should_exit)
        config = uvicorn.Config(site.app(), log_level="error", lifespan="off", ws="none", timeout_graceful_shutdown=2)
        server.append(uvicorn.Server(config))
        thread = threading.Thread(target=server[0].run, kwargs={"sockets": [sock]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server[0].should_exit = True
            thread.join()
