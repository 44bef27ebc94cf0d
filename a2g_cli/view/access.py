"""Who may see the page: this machine alone, or whoever has the token; and what a browser may do with what it gets.

A page of another site that is open in the same browser must not get at the robot. A request by another name than this
machine's is refused (DNS rebinding), nothing may be shown inside another site, and a request to stop needs a key that only
the page itself has.
"""

import ipaddress
import secrets
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; img-src 'self' data:; media-src 'self' data:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of pages that do not bring their own."""
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with none at all, a form would not say where it comes from
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
"""Of every answer that does not say otherwise."""
TOKEN = "token"  # noqa: S105 - a name
"""Of the parameter in the address; the cookie's name has the port as well, as cookies know no ports."""


@dataclass(frozen=True)
class Access:
    """The rules of one server."""

    host: str
    """Where it is served, as it was typed."""
    port: int
    key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    """What a request to stop has to bring; the page has it."""
    token: str = ""
    """What every request has to bring; empty: everybody who reaches this machine's own address may look."""

    @property
    def cookie(self) -> str:
        """Name of the cookie that holds the token."""
        return f"a2g_view_{self.port}"

    def known_host(self, header: str) -> bool:
        """Whether a request was made to an address of this machine, not to another name that leads to it.

        A name in the DNS can lead anywhere, an address in numbers only to itself.
        """
        name = _name_in(header)
        if name is None:
            return False
        if not self.token:
            return name == "localhost" or is_loopback(name)
        own = socket.gethostname().lower()
        return _is_address(name) or name in {"localhost", self.host.lower(), own, f"{own}.local"}

    def same_origin(self, headers: dict[str, str]) -> bool:
        """Whether a request comes from a page of this server, as far as the browser says."""
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return False
        origin = headers.get("origin")
        return origin is None or urlsplit(origin).netloc == headers.get("host")

    def is_token(self, given: str) -> bool:
        """Whether ``given`` is the token. The comparison takes the same time wherever they differ."""
        return secrets.compare_digest(given.encode(), self.token.encode())

    def is_key(self, given: str) -> bool:
        """Whether ``given`` is the key of this server's pages."""
        return secrets.compare_digest(given.encode(), self.key.encode())


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine's own address, which no other machine reaches."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _name_in(header: str) -> str | None:
    """Return the name in a Host header, without port and brackets; None if it is none."""
    try:
        parts = urlsplit(f"//{header}")
        if parts.username is not None or parts.path or parts.query or parts.port == 0:
            return None
    except ValueError:
        return None
    return parts.hostname


class Guarded:
    """Lets through what the rules allow, and adds ``HEADERS`` to every answer."""

    def __init__(self, app: App, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if not self._access.known_host(headers.get("host", "")):
            await _answer(send, 421, "This server answers only to this machine's own address.")
            return
        if self._access.token:
            given = parse_qs(scope["query_string"].decode("latin-1")).get(TOKEN)
            if given and scope["method"] == "GET" and self._access.is_token(given[0]):
                await self._welcome(scope, send)
                return
            if not self._access.is_token(_cookie(headers.get("cookie", ""), self._access.cookie)):
                await _answer(send, 401, "Open the address with the token that `a2g view` printed.")
                return
        await self._app(scope, receive, _with_headers(send))

    async def _welcome(self, scope: Scope, send: Send) -> None:
        """Keep the token in a cookie, and go on to the same page without it, so that it is in no history."""
        rest = {
            name: values for name, values in parse_qs(scope["query_string"].decode("latin-1")).items() if name != TOKEN
        }
        place = quote("/" + scope["path"].lstrip("/")) + (f"?{urlencode(rest, doseq=True)}" if rest else "")
        cookie = f"{self._access.cookie}={self._access.token}; HttpOnly; SameSite=Lax; Path=/"
        await _answer(send, 303, "", {"location": place, "set-cookie": cookie})


def _cookie(header: str, name: str) -> str:
    """Return a cookie's value; empty: there is none. Other programs of this machine set cookies of any form beside it."""
    found = (one.strip().partition("=") for one in header.split(";"))
    return next((value for known, _, value in found if known == name), "")


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message["headers"]}
            more = [(name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in given]
            message["headers"] = [*message["headers"], *more]
        await send(message)

    return sending


async def _answer(send: Send, status: int, text: str, more: dict[str, str] | None = None) -> None:
    headers = {**HEADERS, "content-type": "text/plain; charset=utf-8", **(more or {})}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": text.encode()})
