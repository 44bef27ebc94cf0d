"""The routes of the page. Only ``stop`` changes anything, and only where ``--allow-stop`` was given.

What needs torch (reports, adapters, runs of ``a2g improve``) is imported when it is first asked for: a page that only follows
a run stays small and starts at once.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from a2g_cli.core.errors import A2GError, UnknownNameError
from a2g_cli.core.workspace import Workspace
from a2g_cli.live.state import IMAGES, Live, live_in, lives
from a2g_cli.report.page import html, policy
from a2g_cli.view import finding, videos
from a2g_cli.view.access import Access, App, Guarded
from a2g_cli.view.now import WORDS, shown_runs, to_json
from a2g_cli.view.pages import package_file, page
from a2g_cli.view.sessions import PROGRESS, Summaries, chosen

LOOK = 0.25
"""Time between two looks at what runs publish [s]."""
KEEP_ALIVE = 10.0
"""Longest time in which a page that follows hears nothing [s]; then its browser would notice a broken line."""
WHO = "somebody at the page of a2g view"
"""Who asks a run to stop."""
SLOW = 4
"""Most threads that make reports, images and videos, or wait for one: what follows a run, and what stops it, never waits."""
_MOST_FORM = 4096
_A_DAY = {"cache-control": "private, max-age=86400, immutable"}
"""Of what has its version in its address."""

if TYPE_CHECKING:
    from a2g_cli.view.adapters import AdapterTree, Comparison, Row

_Made = TypeVar("_Made")


class Site:
    """The page over one workspace. Files are read and videos are encoded in threads, one video at a time."""

    def __init__(self, workspace: Workspace, access: Access, allow_stop: bool, closing: Callable[[], bool]) -> None:
        """Create it; ``closing`` says when the server ends, so that pages that follow let go."""
        self.workspace, self.access, self.allow_stop, self.closing = workspace, access, allow_stop, closing
        self._summaries = Summaries(workspace)
        self._kept = videos.Kept()
        self._reports = videos.Kept()
        self._slow = CapacityLimiter(SLOW)

    def app(self) -> App:
        """Return the whole application, guarded."""
        routes = [
            Route("/", self.now),
            Route("/sessions", self.sessions),
            Route("/sessions/{session}", self.session),
            Route("/sessions/{session}/report", self.report),
            Route("/sessions/{session}/{recording}/{what}", self.media),
            Route(f"/sessions/{{session}}/{finding.HELD_OUT}/{{recording}}/{{what}}", self.held_out_media),
            Route("/adapters", self.adapters),
            Route("/adapters/compare", self.compare),
            Route("/events", self.events),
            Route("/live/{run}/stop", self.stop, methods=["POST"]),
            Route("/live/{run}/{what}", self.live_image),
            Route("/package/{name}", self.package),
        ]
        errors: dict[Any, Any] = {A2GError: _refused, UnknownNameError: _refused, OSError: _refused, 404: _missing}
        return Guarded(Starlette(routes=routes, exception_handlers=errors), self.access)

    def _page(self, template: str, **known: object) -> HTMLResponse:
        name = self.workspace.root.name or str(self.workspace.root)
        return HTMLResponse(page(template, workspace=name, key=self.access.key, allow_stop=self.allow_stop, **known))

    async def _in_thread(self, work: Callable[[], _Made]) -> _Made:
        return await run_in_threadpool(work)

    async def _slowly(self, work: Callable[[], _Made]) -> _Made:
        return await to_thread.run_sync(work, limiter=self._slow)

    # -- pages ---------------------------------------------------------------------------------------------------------

    async def now(self, _request: Request) -> Response:
        """Show what happens now, and the newest sessions."""
        runs, summaries = await self._in_thread(lambda: (shown_runs(self.workspace), self._summaries.all()[:5]))
        return self._page("now.html", runs=runs, sessions=summaries, alts=WORDS, images=IMAGES)

    async def sessions(self, _request: Request) -> Response:
        """List the sessions."""
        return self._page("sessions.html", sessions=await self._in_thread(self._summaries.all))

    async def session(self, request: Request) -> Response:
        """Show the episodes of a session."""
        name, asked = request.path_params["session"], dict(request.query_params)
        number = int(asked["page"]) if asked.get("page", "").isdecimal() and len(asked["page"]) < 10 else 1
        session = finding.session_called(self.workspace, name)
        found = await self._in_thread(lambda: chosen(session, asked, number))
        return self._page("session.html", name=name, found=found)

    async def report(self, request: Request) -> Response:
        """Show the report of a session, made again when the session has changed."""
        session = finding.session_called(self.workspace, request.path_params["session"])

        def make() -> bytes:
            from a2g_cli.report.session import session_page

            return html(session_page(self.workspace, session)).encode("utf-8", "replace")

        def written() -> bytes:
            finding.check_inside(session)
            seen = [session.folder / PROGRESS, self.workspace.adapters / "active.json"]
            seen += [*session.recordings(), *session.videos.recordings()]
            return self._reports.get((session.name, *(f"{path.name} {_version(path)}" for path in seen)), make)

        headers = {"content-security-policy": f"{policy()}; frame-ancestors 'none'"}
        return HTMLResponse(await self._slowly(written), headers=headers)

    async def adapters(self, _request: Request) -> Response:
        """Show the tree of adapters."""

        def tree() -> tuple["AdapterTree", list["Row"]]:
            from a2g_cli.view.adapters import adapter_tree

            found = adapter_tree(self.workspace)
            return found, found.tree()

        found, rows = await self._in_thread(tree)
        return self._page("adapters.html", adapter_tree=found, rows=rows, pair=found.usual_pair())

    async def compare(self, request: Request) -> Response:
        """Show two adapters side by side."""
        asked = request.query_params

        def both() -> tuple["AdapterTree", tuple[str, str], "Comparison"]:
            from a2g_cli.view.adapters import adapter_tree, compared

            found = adapter_tree(self.workspace)
            usual = found.usual_pair()
            names = asked.get("one", usual[0]), asked.get("other", usual[1])
            for name in names:
                if name not in found.names:
                    raise UnknownNameError("adapter", name, found.names)
            return found, names, compared(self.workspace, found, names)

        found, names, comparison = await self._in_thread(both)
        return self._page("compare.html", adapter_tree=found, names=names, found=comparison)

    async def package(self, request: Request) -> Response:
        """Give one of the package's own files."""
        found = package_file(request.path_params["name"])
        if found is None:
            return _missing(request)
        return Response(found[0], media_type=found[1], headers={"cache-control": "no-cache"})

    # -- images and videos ---------------------------------------------------------------------------------------------

    async def media(self, request: Request) -> Response:
        """Give an image or the video of a recording."""
        return await self._media(request, held_out=False)

    async def held_out_media(self, request: Request) -> Response:
        """Give an image or the video of a held-out trial."""
        return await self._media(request, held_out=True)

    async def _media(self, request: Request, held_out: bool) -> Response:
        session, recording, what = (request.path_params[name] for name in ("session", "recording", "what"))
        find = partial(finding.recording_called, self.workspace, session, recording, held_out)
        path = await self._in_thread(find)
        if what == "video.mp4":
            return _ranged(request, await self._make(path, what, partial(videos.video, path)), "video/mp4")
        if what in {"goal.png", "first.png", "last.png"}:
            made = await self._make(path, what, partial(videos.frame, path, what.removesuffix(".png")))
            return Response(made, media_type="image/png", headers=_A_DAY)
        number = what.removeprefix(videos.IMAGINED).removesuffix(".jpg")
        if number.isdecimal() and len(number) < 6 and what == f"{videos.IMAGINED}{number}.jpg":
            made = await self._make(path, what, partial(videos.imagined, path, int(number)))
            return Response(made, media_type="image/jpeg", headers=_A_DAY)
        return _missing(request)

    async def _make(self, path: Path, what: str, make: Callable[[], bytes]) -> bytes:
        return await self._slowly(lambda: self._kept.get((str(path), videos.version(path), what), make))

    async def live_image(self, request: Request) -> Response:
        """Give an image that a run published."""
        live, name = self._live(request.path_params["run"]), request.path_params["what"].removesuffix(".png")
        if live is None or name not in IMAGES:
            return _missing(request)
        data = await self._in_thread(lambda: live.image(name))
        return _missing(request) if data is None else Response(data, media_type="image/png")

    def _live(self, name: str) -> Live | None:
        """Return the run whose folder has this name; only a folder that is there is found."""
        folder = next((one.folder for one in lives(self.workspace) if one.folder.name == name), None)
        return None if folder is None else live_in(folder)

    # -- following, and stopping ---------------------------------------------------------------------------------------

    async def events(self, request: Request) -> Response:
        """Tell a page what has changed, a few times in a second, until it goes away."""
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._events(request), media_type="text/event-stream", headers=headers)

    async def _events(self, request: Request) -> AsyncIterator[str]:
        before, told = "", 0.0
        while not self.closing() and not await request.is_disconnected():
            runs = await self._in_thread(lambda: shown_runs(self.workspace))
            text = json.dumps(to_json(runs))
            if text != before or time.monotonic() - told > KEEP_ALIVE:
                before, told = text, time.monotonic()
                yield f"data: {text}\n\n"
            await asyncio.sleep(LOOK)

    async def stop(self, request: Request) -> Response:
        """Ask a run to stop softly."""
        if not self.allow_stop:
            return _said(request, "This page only reads: start `a2g view` with --allow-stop.", 403)
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > _MOST_FORM:
                return _said(request, "This is no request of this page.", 413)
        form = {name: values[0] for name, values in parse_qs(body.decode("latin-1")).items()}
        if not self.access.same_origin(dict(request.headers)) or not self.access.is_key(form.get("key", "")):
            return _said(request, "This request does not come from this page: load it again.", 403)
        live = self._live(request.path_params["run"])
        if live is None or form.get("run") != f"{live.state.pid}-{live.state.started}" or not live.state.alive:
            return _said(request, "This run has ended already.", 409)
        await self._in_thread(lambda: live.ask_to_stop(WHO))
        return _said(request, "The run was asked to stop: it finishes its step, saves the episode and rests.", 200)


def _version(path: Path) -> str:
    try:
        return videos.version(path)
    except OSError:
        return ""


def _said(request: Request, words: str, status: int) -> Response:
    """Return an answer to the page's script; a browser without it goes back to the page, or reads why not."""
    if request.headers.get("accept", "").startswith("application/json"):
        return JSONResponse({"said": words}, status)
    return RedirectResponse("/", 303) if status == 200 else HTMLResponse(page("error.html", words=words), status)


def _missing(_request: Request, _error: Exception | None = None) -> Response:
    return HTMLResponse(page("error.html", words="There is no such page."), 404)


def _refused(_request: Request, error: Exception) -> Response:
    status = 404 if isinstance(error, UnknownNameError | FileNotFoundError) else 500
    words = str(error) if isinstance(error, A2GError) else "A file of the workspace cannot be read."
    return HTMLResponse(page("error.html", words=words), status)


def _ranged(request: Request, data: bytes, kind: str) -> Response:
    """Return ``data``, or the part of it that is asked for: browsers ask for parts of videos."""
    headers = {**_A_DAY, "accept-ranges": "bytes"}
    asked = request.headers.get("range")
    try:
        found = None if asked is None else videos.part(asked, len(data))
    except ValueError:
        return Response(status_code=416, headers={"content-range": f"bytes */{len(data)}"})
    if found is None:
        return Response(data, media_type=kind, headers=headers)
    begin, end = found
    headers["content-range"] = f"bytes {begin}-{end - 1}/{len(data)}"
    return Response(data[begin:end], 206, headers, kind)
