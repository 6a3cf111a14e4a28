"""The ceiling: one aiohttp route on uvloop that does nothing but answer. What the runtime is measured against."""

from __future__ import annotations

import sys

import uvloop
from aiohttp import web


async def answer(request: web.Request) -> web.Response:
    """Echo a query value, as the workflows do."""
    return web.json_response({"v": request.query.get("v", "")})


def main() -> None:
    """Serve on the port given as the first argument."""
    app = web.Application()
    app.router.add_get("/bare", answer)
    uvloop.install()
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
