"""nflow-runtime inside another aiohttp program: one port, the program's own routes, and everything below /flows.

python examples/embedding.py
curl 'http://127.0.0.1:8080/hello?name=ana'
curl 'http://127.0.0.1:8080/flows/hello/ana?lang=es'
"""

from pathlib import Path

from aiohttp import web

from nflow_runtime import Runtime, Settings

SETTINGS = "[store]\npath = 'embedded.sqlite'\n[api]\nadmin_token = 'change me'\n"
RUNTIME = web.AppKey("runtime", Runtime)


async def hello(request: web.Request) -> web.Response:
    """A route of the program itself, which runs a workflow in process."""
    done = await request.app[RUNTIME].execute("tour/Hello", {"name": request.query.get("name", "you"), "lang": "es"})
    return web.json_response(done.output)


async def application() -> web.Application:
    """The program. A runtime belongs to the loop it is made on, so this is a coroutine."""
    settings, _ = Settings.parse(SETTINGS, "inline", {})
    app = web.Application()
    app.router.add_get("/hello", hello)
    app[RUNTIME] = Runtime(settings, {"tour": Path(__file__).with_name("tour.json")}, listen=False)
    app[RUNTIME].attach(app, "/flows")
    return app


if __name__ == "__main__":
    web.run_app(application(), host="127.0.0.1", port=8080, handler_cancellation=True)
