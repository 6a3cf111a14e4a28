"""The owner of aiohttp's client: one pool for addresses that scripts and nodes name, one for the operator's own.

Invariant: whatever a peer does (drip, bomb, reset, redirect), a call ends by its deadline with at most its cap in
memory and leaves no connection behind; and no connection of the first pool reaches an address the guard refuses,
whatever name or redirect led there, because the guard sees each socket's final address. No cookies are kept, no proxy
or password of the environment is used. A host that does not answer is left alone for a while: `circuit`.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from actors.guards.addresses import AddressGuard
from actors.reach.circuit import Circuits
from actors.reach.http_message import REDIRECTS, HttpRequest, HttpResponse, checked, redirected
from actors.reach.names import Names
from protocol.errors import CallRefused, Overloaded, Unavailable

logger = logging.getLogger("nflow.http")

MOST_REDIRECTS: Final = 5
MOST_WAITING: Final = 1_000
"""Requests beyond the connections that may wait for one."""
SHORTEST_THAT_COUNTS: Final = 1.0
"""A deadline shorter than this was the caller's choice, and says nothing about the server."""
_GATEWAY_ERRORS: Final = frozenset({502, 503, 504})
_DEFAULT_HEADERS: Final = (("User-Agent", "nflow-runtime"), ("Accept", "*/*"))


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """What the client may do."""

    guard: AddressGuard = field(default_factory=AddressGuard)
    enabled: bool = True
    timeout_seconds: float = 30.0
    max_bytes: int = 10 * 1024 * 1024
    max_connections: int = 200
    max_per_host: int = 50
    breaker_failures: int = 5
    breaker_seconds: float = 10.0


@dataclass(slots=True)
class HttpFigures:
    """Numbers for metrics."""

    requests: int = 0
    failed: int = 0
    """Ended without an answer: transport, deadline, size."""
    active: int = 0
    """Now under way or waiting for a connection."""


class HttpClient:
    """The door to web servers."""

    __slots__ = ("_calls", "_circuits", "_guarded", "_names", "_own", "_settings", "figures")

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self._circuits = Circuits(settings.breaker_failures, settings.breaker_seconds)
        self._guarded: aiohttp.ClientSession | None = None
        self._own: aiohttp.ClientSession | None = None
        self._names: Names | None = None
        self._calls: set[_Call] = set()
        self.figures = HttpFigures()

    @property
    def open_circuits(self) -> dict[str, str]:
        """Host → state, of those left alone now."""
        return self._circuits.not_closed()

    async def open(self) -> None:
        """Make the pools."""
        if self._guarded is None:
            self._names = Names()
            resolver = _Resolver(self._names)
            self._guarded = self._session(resolver, _GuardedSockets(self._settings.guard))
            self._own = self._session(resolver, None)

    async def close(self) -> None:
        """Drop every connection; requests under way end as Unavailable."""
        for call in tuple(self._calls):  # aiohttp would leave them waiting for an answer that cannot come
            call.end()
        sessions, self._guarded, self._own = (self._guarded, self._own), None, None
        if self._names is not None:
            self._names.close()
        for session in sessions:
            if session is not None:
                await session.close()

    async def fetch(
        self, request: HttpRequest, *, tenant: str = "", own: bool = False, traceparent: str = ""
    ) -> HttpResponse:
        """The answer, whatever its status.

        `traceparent`: the trace the request belongs to, told to the server unless the caller tells it another.
        `own`: the address is the operator's, so it passes the guard and the request's own deadline holds as it is.
        Raises CallRefused (TypeError: what cannot be sent; NetworkError: no answer, or none that may be taken;
        TimeoutError), Unavailable while the host's circuit is open, Overloaded when too many wait.
        """
        settings = self._settings
        if not settings.enabled:
            raise CallRefused("the network is off: vm_pool.enable_network = false", name="NetworkError")
        session = self._own if own else self._guarded
        if session is None:
            raise Unavailable("the HTTP client is not open")
        if self.figures.active >= settings.max_connections + MOST_WAITING:
            raise Overloaded("too many requests to other servers wait already")
        request = checked(request)
        if traceparent and not any(name.lower() == "traceparent" for name, _ in request.headers):
            request = request._replace(headers=(*request.headers, ("traceparent", traceparent)))
        seconds = request.seconds or settings.timeout_seconds
        if not own:
            seconds = min(seconds, settings.timeout_seconds)
        self.figures.requests += 1
        self.figures.active += 1
        call = _Call(session, self._circuits, settings, "" if own else tenant, seconds)
        self._calls.add(call)
        try:
            return await call.answer(request)
        except BaseException:
            self.figures.failed += 1
            raise
        finally:
            self._calls.discard(call)
            self.figures.active -= 1

    def _session(self, resolver: _Resolver, sockets: _GuardedSockets | None) -> aiohttp.ClientSession:
        settings = self._settings
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=settings.max_connections,
                limit_per_host=settings.max_per_host,
                resolver=resolver,
                socket_factory=sockets,
                use_dns_cache=True,
                ttl_dns_cache=10,
                dns_cache_max_size=1_000,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            headers=_DEFAULT_HEADERS,
            # One deadline stands around the whole exchange; those of single steps would only shorten it.
            timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
            skip_auto_headers=("Content-Type",),
        )


class _Resolver(AbstractResolver):
    """Names for aiohttp."""

    def __init__(self, names: Names) -> None:
        self._names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(hostname=host, host=address[0], port=port, family=kind, proto=protocol, flags=numeric)
            for kind, _, protocol, _, address in await self._names.look_up(host, port, family)
        ]

    async def close(self) -> None:
        """The names are closed by who made them."""


class _GuardedSockets:
    """Makes a socket only for an address that may be reached."""

    __slots__ = ("_guard",)

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard

    def __call__(self, info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
        family, kind, protocol, _, address = info
        refusal = self._guard.refusal(str(address[0]))
        if refusal:
            raise PermissionError(errno.EACCES, f"{refusal} (security.allowed_addresses)")
        return socket.socket(family, kind, protocol)


class _Call:
    """One exchange with all its redirects."""

    __slots__ = ("_circuits", "_deadline", "_ended", "_seconds", "_session", "_settings", "_tenant")

    def __init__(
        self, session: aiohttp.ClientSession, circuits: Circuits, settings: HttpSettings, tenant: str, seconds: float
    ) -> None:
        self._session = session
        self._circuits = circuits
        self._settings = settings
        self._tenant = tenant
        self._seconds = seconds
        self._deadline: asyncio.Timeout | None = None
        self._ended = False

    def end(self) -> None:
        """The client closes."""
        self._ended = True
        if self._deadline is not None and not self._deadline.expired():
            self._deadline.reschedule(0.0)

    async def answer(self, request: HttpRequest) -> HttpResponse:
        url, request = _with_login(_url(request.url), request)
        try:
            async with asyncio.timeout(self._seconds) as self._deadline:
                for hop in range(MOST_REDIRECTS + 1):
                    response = await self._exchange(request, url)
                    onward = _onward(url, response)
                    if onward is None or request.redirect == "manual":
                        return response._replace(redirected=hop > 0)
                    if request.redirect == "error":
                        raise _no_answer(f"{url.host} redirects to {onward.host}, which this request does not follow")
                    request = redirected(request, response.status, "", onward.origin() == url.origin())
                    url = onward
                raise _no_answer(f"{url.host}: more than {MOST_REDIRECTS} redirects")
        except TimeoutError:
            if self._ended:
                raise Unavailable("the HTTP client was closed meanwhile") from None
            message = f"{url.host} did not answer within {self._seconds:g} s"
            if self._seconds >= SHORTEST_THAT_COUNTS:
                self._failed(url, message)
            raise CallRefused(message, name="TimeoutError") from None

    async def _exchange(self, request: HttpRequest, url: URL) -> HttpResponse:
        """One request and its whole answer."""
        key = self._key(url)
        self._circuits.check(key, self._now(), "the server", f"{url.host}")
        try:
            response = await self._begin(request, url)
        except aiohttp.ClientConnectorError as error:
            refused = error.os_error.errno == errno.EACCES
            raise self._lost(url, _reason(error.os_error), counts=not refused) from None
        except aiohttp.InvalidURL:
            raise CallRefused("the URL is not valid", name="TypeError") from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._lost(url, _reason(error)) from None
        except ValueError as error:  # what aiohttp still finds wrong with a header or the URL
            raise CallRefused(f"the request cannot be sent: {error}", name="TypeError") from None
        try:
            body = await self._body(request, response)
        except (aiohttp.ClientError, OSError) as error:
            raise self._lost(url, f"the answer broke off: {_reason(error)}") from None
        finally:
            response.close()  # a body that was read to its end has given its connection back before
        if response.status in _GATEWAY_ERRORS:
            self._failed(url, f"status {response.status}")
        else:
            self._circuits.succeeded(key)
        headers = tuple((k.decode("latin-1"), v.decode("utf-8", "replace")) for k, v in response.raw_headers)
        return HttpResponse(response.status, response.reason or "", str(url), headers, body)

    async def _begin(self, request: HttpRequest, url: URL) -> aiohttp.ClientResponse:
        return await self._session.request(
            request.method, url, headers=request.headers, data=request.body, allow_redirects=False
        )

    async def _body(self, request: HttpRequest, response: aiohttp.ClientResponse) -> bytes:
        most = min(request.max_bytes or self._settings.max_bytes, self._settings.max_bytes)
        chunks: list[bytes] = []
        size = 0
        if response.method != "HEAD" and (response.content_length or 0) > most:
            size = most + 1
        else:
            async for chunk in response.content.iter_any():  # decompressed bit by bit, so a bomb stops at the cap
                size += len(chunk)
                if size > most:
                    break
                chunks.append(chunk)
        if size > most:
            chunks.clear()  # the error, and with it this frame, may live for a while
            self._circuits.succeeded(self._key(response.url))
            raise _no_answer(f"the answer of {response.url.host} is larger than {most} bytes")
        return b"".join(chunks)

    def _lost(self, url: URL, reason: str, counts: bool = True) -> CallRefused:
        if counts:
            self._failed(url, reason)
        return _no_answer(f"{url.host} cannot be reached: {reason}")

    def _failed(self, url: URL, reason: str) -> None:
        if self._circuits.failed(self._key(url), self._now(), reason):
            seconds = self._settings.breaker_seconds
            logger.warning("%s is not asked for %g s: it failed too often, last with: %s", url.host, seconds, reason)

    def _key(self, url: URL) -> str:
        return f"{self._tenant} {url.host}:{url.port}".strip()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _url(text: str) -> URL:
    try:
        url = URL(text.strip())
        if url.scheme in {"http", "https"} and url.host:
            return url
    except ValueError:
        pass
    raise CallRefused("the URL must be absolute and begin with http:// or https://", name="TypeError")


def _with_login(url: URL, request: HttpRequest) -> tuple[URL, HttpRequest]:
    """The name and password of a URL as a header, unless there is one, so that no message or answer shows them."""
    if url.user is None:
        return url, request
    login = b64encode(f"{url.user}:{url.password or ''}".encode()).decode()
    headers = request.headers
    if not any(name.lower() == "authorization" for name, _ in headers):
        headers = (*headers, ("Authorization", f"Basic {login}"))
    return url.with_user(None), request._replace(headers=headers)


def _onward(url: URL, response: HttpResponse) -> URL | None:
    """Where a redirect leads; None when this is none. Raises CallRefused for a place that is not of the web."""
    location = response.header("location")
    if response.status not in REDIRECTS or not location:
        return None
    try:
        onward = url.join(URL(location)).with_user(None)
        if onward.scheme in {"http", "https"} and onward.host:
            return onward
    except ValueError:
        pass
    raise _no_answer(f"{url.host} redirects to what is no web address")


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError):
        text = error.strerror or str(error) or type(error).__name__
        if error.errno is not None and text.startswith("Connect call failed"):
            return os.strerror(error.errno)  # asyncio's words hold the address as a Python tuple
        return text
    return str(error) or type(error).__name__


def _no_answer(message: str) -> CallRefused:
    return CallRefused(message, name="NetworkError")
