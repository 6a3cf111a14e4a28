"""The runtime inside another aiohttp program: its routes stay its own, and all below a prefix is the runtime's."""

from __future__ import annotations

import asyncio
import importlib.util
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from nflow_runtime import ApiError, LimitExceeded, Overloaded, Runtime, ScriptError, Settings
from tests.acceptance.playbooks import chain, js, playbook, starter, write

ROOT = Path(__file__).resolve().parents[2]
FLOWS = playbook(
    Hello=chain("/hello/:name", "c.JSON(200, {hello: vars.name, path: c.Path(), q: c.QueryParam('q')})"),
    Size=chain("/size", "c.JSON(200, {size: c.request.body.length})", method="POST"),
    Login=chain("/guarded", "payload.ok = true", nflow_auth="true"),
    Broken=chain("/broken", "throw new Error('it broke')"),
    Spins=chain("/spins", "while (true) {}"),
    Denied=chain("/denied", "c.JSON(403, {no: true})"),
    Sleeps=chain("/sleeps", "sleep(600); c.String(200, 'slept')", method="POST"),
    Streams={
        "s": starter("/streams", "n"),
        "n": js("async function main() { for (const x of ['a', 'b']) await c.response.write(x); c.response.end() }"),
    },
)


def runtime_of(folder: Path, config: str = "") -> Runtime:
    (folder / "auth.js").write_text("function auth() { next = 'login' }")
    text = (
        f"[store]\npath = '{folder}/x.sqlite'\n[files]\ntriggers = '{folder}'\n[vm_pool]\nmax_execution_seconds = 2\n"
    )
    settings, _ = Settings.parse(text + config, "inline", {})
    return Runtime(settings, {"app": write(folder / "app.json", FLOWS)}, listen=False)


@asynccontextmanager
async def program(runtime: Runtime, prefix: str) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    """A program with a route of its own, and the runtime below `prefix`."""

    async def own(request: web.Request) -> web.Response:
        return web.Response(text="own")

    app = web.Application()
    app.router.add_get("/own", own)
    runtime.attach(app, prefix)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        async with aiohttp.ClientSession() as session:
            yield f"http://{host}:{port}", session
    finally:
        await runner.cleanup()


@pytest.fixture
async def inside(tmp_path: Path) -> AsyncIterator[tuple[str, aiohttp.ClientSession, Runtime]]:
    runtime = runtime_of(tmp_path, "[api]\nopen_execution = true\n[server]\nmax_body_mb = 3\n")
    async with program(runtime, "/flows") as (url, session):
        yield url, session, runtime


async def asked(session: aiohttp.ClientSession, url: str, method: str = "GET", **more: Any) -> tuple[int, Any]:
    async with session.request(method, url, allow_redirects=False, **more) as answer:
        is_json = answer.content_type == "application/json"
        return answer.status, await answer.json() if is_json else await answer.text()


async def test_the_programs_routes_are_its_own_and_the_rest_below_the_prefix_is_the_runtimes(inside: Any) -> None:
    url, session, _ = inside
    assert await asked(session, f"{url}/own") == (200, "own")
    told = {"hello": "ana b", "path": "/hello/:name", "q": "1"}
    status, shown = await asked(session, f"{url}/flows/hello/ana%20b?q=1")
    assert (status, shown["hello"], shown["q"]) == (200, told["hello"], told["q"])
    assert not shown["path"].startswith("/flows")
    assert (await asked(session, f"{url}/hello/ana"))[0] == 404
    assert await asked(session, f"{url}/flows/nobody") == (404, {"code": 404, "message": "not found"})
    assert (await asked(session, f"{url}/flows/health"))[1]["status"] == "healthy"
    assert (await asked(session, f"{url}/flows/openapi.json"))[1]["servers"] == [{"url": "/flows"}]


async def test_streams_and_the_api_come_through(inside: Any) -> None:
    url, session, _ = inside
    assert await asked(session, f"{url}/flows/streams") == (200, "ab")
    status, told = await asked(session, f"{url}/flows/api/workflow/app/Hello", "POST", json={"input": {"name": "eva"}})
    assert (status, told["output"]["hello"]) == (200, "eva")


async def test_bodies_obey_the_runtimes_bound_and_not_the_programs(inside: Any) -> None:
    url, session, _ = inside
    kind = {"Content-Type": "text/plain"}
    for size, answer in ((2 << 20, (200, {"size": 2 << 20})), (4 << 20, (413, None))):
        status, told = await asked(session, f"{url}/flows/size", "POST", data=io.BytesIO(b"x" * size), headers=kind)
        assert (status, told if status == 200 else None) == answer


async def test_a_login_is_looked_for_below_the_prefix(inside: Any) -> None:
    url, session, _ = inside
    async with session.get(f"{url}/flows/guarded", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (307, "/flows/nflow_login")


async def test_workflows_run_in_process(inside: Any) -> None:
    _, _, runtime = inside
    done = await runtime.execute("app/Hello", {"name": "ana"})
    assert (done.success, done.status, done.output["hello"]) == (True, 200, "ana")
    denied = await runtime.execute("Denied")
    assert (denied.success, denied.status, denied.output) == (False, 403, {"no": True})
    with pytest.raises(ScriptError, match="it broke"):
        await runtime.execute("Broken")
    with pytest.raises(LimitExceeded):
        await runtime.execute("Spins")


async def test_what_cannot_be_run_is_told_apart_from_what_is_not_there_yet(tmp_path: Path) -> None:
    runtime = runtime_of(tmp_path)
    with pytest.raises(RuntimeError, match="not started"):
        await runtime.execute("app/Hello")
    async with runtime:
        with pytest.raises(ApiError, match="there is no workflow 'app/Nothing'"):
            await runtime.execute("app/Nothing")
        with pytest.raises(RuntimeError, match="opens no port"):
            _ = runtime.url


async def test_the_end_of_the_program_waits_for_runs_and_none_begins_after_it(tmp_path: Path) -> None:
    runtime = runtime_of(tmp_path)
    async with program(runtime, "") as (url, session):
        slow = asyncio.ensure_future(asked(session, f"{url}/sleeps", "POST"))
        mine = asyncio.ensure_future(runtime.execute("Sleeps"))
        await asyncio.sleep(0.3)
        stopping = asyncio.ensure_future(runtime.stop())
        assert (await slow, (await mine).output) == ((200, "slept"), "slept")
        await stopping
        with pytest.raises(Overloaded):
            await runtime.execute("Sleeps")


@pytest.mark.parametrize("prefix", ["flows", "/flows/", "/a{b}", "/a b"])
async def test_a_prefix_that_cannot_be_one_is_refused(prefix: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="prefix"):
        runtime_of(tmp_path).attach(web.Application(), prefix)


async def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("embedding_example", ROOT / "examples" / "embedding.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    monkeypatch.chdir(tmp_path)
    runner = web.AppRunner(await example.application())
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            for path in ("/hello?name=ana", "/flows/hello/ana?lang=es"):
                assert await asked(session, path) == (200, {"message": "Hola, ana!", "lang": "es"})
    finally:
        await runner.cleanup()
