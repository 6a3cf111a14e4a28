"""The runtime inside another aiohttp program: an application hands it everything below a prefix.

The application keeps its own routes, middlewares and port. Invariant: the runtime starts before the application's first
request and drains after its last one; a request that comes through has the prefix taken off, so flows, the API and its
description are found below it, and it obeys the runtime's bounds on bodies, not the application's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from actors.runs.entrance import LOGIN_PATH
from gateway.armour.answer_headers import AnswerHeaders
from gateway.armour.incoming import Incoming, incoming

Handle = Callable[[Incoming], Awaitable[web.StreamResponse]]


def attach(
    app: web.Application,
    prefix: str,
    handle: Callable[[], Handle],
    start: Callable[[], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
    common: AnswerHeaders,
) -> None:
    """Let `app` hand everything at and below `prefix` to the runtime, and start and stop it with the application.

    `handle` is asked for once it runs. `common`: what every answer carries. Raises ValueError for a prefix that does
    not begin with `/`, or ends with one.
    """
    check_prefix(prefix)

    async def serve(request: web.Request) -> web.StreamResponse:
        below = _below(request, prefix, common)
        response = await handle()(below)
        if not response.prepared:  # the application sends it
            below.complete(response)
        if prefix and response.headers.get("Location") == LOGIN_PATH and not response.prepared:
            response.headers["Location"] = prefix + LOGIN_PATH
        return response

    async def life(app: web.Application) -> AsyncIterator[None]:
        try:
            await start()
            yield
        finally:
            await stop()

    app.cleanup_ctx.append(life)
    if prefix:
        app.router.add_route("*", prefix, serve)
    app.router.add_route("*", f"{prefix}/{{rest:.*}}", serve)


def check_prefix(prefix: str) -> None:
    """Raise ValueError unless it can be one."""
    if prefix and (not prefix.startswith("/") or prefix.endswith("/") or set(prefix) & set("{}?#% ")):
        raise ValueError(f"a prefix is empty, or a plain path such as /flows, not {prefix!r}")


def _below(request: web.Request, prefix: str, common: AnswerHeaders) -> Incoming:
    """The request as it would have come without the prefix."""
    message = request._message
    path = message.path
    if "://" in path:  # as proxies are asked
        path = "/" + path.partition("://")[2].partition("/")[2]
    path = path.removeprefix(prefix)
    if not path.startswith("/"):
        path = "/" + path
    parts = (
        message._replace(path=path), request._payload, request._protocol, request._payload_writer, request.task,
        request._loop,
    )  # fmt: skip
    return incoming(parts, common, request.scheme, decoded=True)
