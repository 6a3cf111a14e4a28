"""The functions scripts reach out with, against real peers: nFlow's shapes, and errors that say what is wrong."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from actors.functions.ai import AiFunctions, AiSettings
from actors.functions.caller import Functions
from actors.functions.http import HttpFunctions
from actors.functions.redis import RedisFunctions
from actors.functions.twilio import TwilioFunctions, TwilioSettings
from actors.guards.addresses import AddressGuard
from actors.reach.http_client import HttpClient, HttpSettings
from actors.reach.redis_client import RedisDoor, RedisSettings
from actors.templates.templates import Templates
from protocol.errors import CallRefused
from tests.integration.reach.conftest import RedisServer, calling, free_port
from tests.integration.reach.peers import Peer


async def call(functions: Functions, name: str, *values: Any) -> Any:
    result = await functions[name](calling(), list(values))
    json.dumps(result)  # what a function returns crosses as JSON
    return result


# --- http ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def http(client: HttpClient) -> Functions:
    return HttpFunctions(client).functions()


async def test_http_get_answers_in_nflow_s_shape(http: Functions, peer: Peer) -> None:
    result = await call(http, "http_get", f"{peer.url}/cookies")
    assert (result["body"], result["err"], result["status"], result["status_code"]) == ("none", None, "200 OK", 200)
    assert result["header"]["Set-Cookie"] == ["a=1; Expires=Thu, 01 Jan 2032 00:00:00 GMT", "b=2"]
    assert result["header"]["Content-Type"] == ["text/plain; charset=utf-8"]


@pytest.mark.parametrize("method", ["post", "put", "patch"])
async def test_bodies_and_headers_of_nflow_s_functions_arrive(http: Functions, peer: Peer, method: str) -> None:
    await call(http, f"http_{method}", peer.url, "plain")
    await call(http, f"http_{method}_with_header", peer.url, {"a": 1}, {"X-A": ["1", "2"], "X-B": "3", "X-C": None})
    plain, with_header = peer.asked
    assert (plain["method"], plain["body"]) == (method.upper(), "plain")
    assert json.loads(with_header["body"]) == {"a": 1}
    assert with_header["headers"]["x-b"] == "3"
    assert "x-c" not in with_header["headers"]


async def test_get_and_delete_take_headers_as_their_second_argument(http: Functions, peer: Peer) -> None:
    for name in ("http_get_with_header", "http_delete_with_header"):
        await call(http, name, peer.url, {"Authorization": ["Bearer x"]})
    assert [asked["method"] for asked in peer.asked] == ["GET", "DELETE"]
    assert {asked["headers"]["authorization"] for asked in peer.asked} == {"Bearer x"}


async def test_a_status_is_a_result_and_a_dead_host_an_error(http: Functions, peer: Peer) -> None:
    assert (await call(http, "http_get", f"{peer.url}/status/404"))["status"] == "404 Not Found"
    with pytest.raises(CallRefused, match="cannot be reached") as refused:
        await call(http, "http_get", f"http://127.0.0.1:{free_port()}/")
    assert refused.value.name == "NetworkError"
    with pytest.raises(CallRefused, match="first argument"):
        await call(http, "http_get")


async def test_http_request_gives_text_or_base64(http: Functions, peer: Peer) -> None:
    text = await call(http, "http.request", "post", f"{peer.url}/packed", {"body": "x", "headers": {"A": "b"}})
    assert (text["status"], text["statusText"], text["body"]) == (200, "OK", "grüße")
    assert (text["url"], text["redirected"]) == (f"{peer.url}/packed", False)
    moved = await call(http, "http.request", "GET", f"{peer.url}/to?url=/echo")
    assert (moved["url"], moved["redirected"]) == (f"{peer.url}/echo", True)
    assert text["headers"]["content-encoding"] == "gzip"
    data = await call(http, "http.request", "PUT", f"{peer.url}/bytes", {"bodyBase64": "AP8="})
    assert data["bodyBase64"].startswith("AAECAw")
    assert "body" not in data
    assert peer.asked[-1]["body"] == "\0\ufffd"


@pytest.mark.parametrize(
    "options",
    [
        {"bodyBase64": "***"},
        {"bodyBase64": 7},
        {"headers": "x"},
        {"headers": {"A": {"b": 1}}},
        {"timeoutMs": -1},
        {"timeoutMs": "soon"},
        {"maxKb": 0},
        {"redirect": "perhaps"},
        "x",
    ],
)
async def test_options_that_make_no_sense_are_type_errors(http: Functions, peer: Peer, options: Any) -> None:
    with pytest.raises(CallRefused) as refused:
        await call(http, "http.request", "GET", peer.url, options)
    assert refused.value.name == "TypeError"
    assert peer.asked == []


async def test_limits_of_one_request_hold(http: Functions, peer: Peer) -> None:
    with pytest.raises(CallRefused, match=r"within 0\.1 s"):
        await call(http, "http.request", "GET", f"{peer.url}/hang", {"timeoutMs": 100})
    with pytest.raises(CallRefused, match="larger than 1024 bytes"):
        await call(http, "http.request", "GET", f"{peer.url}/large", {"maxKb": 1})


# --- language models -------------------------------------------------------------------------------------------------


class Models(Peer):
    """OpenAI, Gemini and Ollama in one; `answers` takes their place when it is set."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: web.Response | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        response = await super().answer(request)
        return self.answers or response

    async def on_v1(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"choices": [{"message": {"role": "assistant", "content": "from openai"}}]})

    async def on_v1beta(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"candidates": [{"content": {"parts": [{"text": "from "}, {"text": "gemini"}]}}]})

    async def on_api(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"message": {"role": "assistant", "content": "from ollama"}})


@pytest.fixture
async def models() -> AsyncIterator[Models]:
    models = Models()
    await models.start()
    yield models
    await models.stop()


@pytest.fixture
async def ai(models: Models) -> AsyncIterator[Functions]:
    # No inner address is allowed: the operator's base addresses pass all the same.
    client = HttpClient(HttpSettings(AddressGuard()))
    await client.open()
    settings = AiSettings(f"{models.url}/v1", f"{models.url}/v1beta/", models.url, 5.0)
    yield AiFunctions(client, settings, Templates().mustache).functions()
    await client.close()


async def test_openai_is_asked_with_rendered_prompts(ai: Functions, models: Models) -> None:
    data = {"name": "Ana"}
    assert await call(ai, "openai", "sk-1", "You are {{name}}", "Hi {{name}}", "gpt", data) == "from openai"
    (asked,) = models.asked
    assert asked["path"] == "/v1/chat/completions"
    assert asked["headers"]["authorization"] == "Bearer sk-1"
    assert json.loads(asked["body"]) == {
        "model": "gpt",
        "messages": [{"role": "system", "content": "You are Ana"}, {"role": "user", "content": "Hi Ana"}],
    }


async def test_gemini_s_key_is_in_a_header_and_not_in_the_url(ai: Functions, models: Models) -> None:
    assert await call(ai, "gemini", "key-1", "Hi {{name}}", "gemini-pro", {"name": "Ana"}) == "from gemini"
    await call(ai, "gemini", "key-1", "Hi", "tunedModels/my model", None)
    first, second = models.asked
    assert first["path"] == "/v1beta/models/gemini-pro:generateContent"
    assert first["headers"]["x-goog-api-key"] == "key-1"
    assert json.loads(first["body"])["contents"][0]["parts"] == [{"text": "Hi Ana"}]
    assert second["path"] == "/v1beta/tunedModels/my%20model:generateContent"


async def test_ollama_is_the_operator_s_unless_a_base_is_named(ai: Functions, models: Models) -> None:
    assert await call(ai, "ollama", "", "", "Hi", "llama", None) == "from ollama"
    assert await call(ai, "ollama", models.url + "/", None, "Hi", "llama", None) == "from ollama"
    assert json.loads(models.asked[0]["body"]) == {
        "model": "llama",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": False,
    }
    with pytest.raises(CallRefused, match="not allowed"):
        await call(ai, "ollama", "http://127.0.0.2:11434", "", "Hi", "llama", None)


@pytest.mark.parametrize("name", ["openai", "gemini", "ollama"])
@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, '{"error": {"message": "Incorrect key sk-secret given"}}', r"401 Incorrect key"),
        (404, '{"error": "model not found"}', "model not found"),
        (429, '[{"error": {"message": "quota"}}]', "429 quota"),
        (500, "<html>", "500 Internal Server Error"),
        (200, '{"error": {"message": "late"}}', "late"),
        (200, "{}", "holds no text"),
        (200, "[1]", "no JSON object"),
        (200, '{"choices": [], "candidates": [{"finishReason": "SAFETY"}], "message": 3}', "holds no text"),
    ],
)
async def test_what_a_provider_complains_of_is_thrown_without_the_key(
    ai: Functions, models: Models, name: str, status: int, body: str, says: str
) -> None:
    models.answers = web.Response(status=status, text=body)
    arguments = {
        "openai": ("sk-secret", "s", "p", "m", None),
        "gemini": ("sk-secret", "p", "m", None),
        "ollama": ("", "s", "p", "m", None),
    }
    with pytest.raises(CallRefused, match=says) as refused:
        await call(ai, name, *arguments[name])
    assert str(refused.value).startswith(f"{name}: ")
    if name != "ollama":
        assert "sk-secret" not in str(refused.value)


async def test_a_model_must_be_named(ai: Functions, models: Models) -> None:
    with pytest.raises(CallRefused, match="no default"):
        await call(ai, "openai", "k", "s", "p", " ", None)
    assert models.asked == []


# --- twilio ----------------------------------------------------------------------------------------------------------


class Twilio(Peer):
    """The Verify API: one number, one code."""

    async def on_v2(self, request: web.Request) -> web.StreamResponse:
        fields = await request.post()
        if request.headers.get("Authorization") != "Basic QUMxOnRvaw==":
            return web.json_response({"code": 20003, "message": "Authenticate"}, status=401)
        if request.path == "/v2/Services/VA1/Verifications":
            if fields["To"] != "+34600":
                return web.json_response({"code": 60200, "message": "Invalid parameter `To`"}, status=400)
            return web.json_response({"status": "pending"}, status=201)
        if fields["To"] != "+34600":
            return web.json_response({"code": 20404, "message": "not found"}, status=404)
        return web.json_response({"status": "approved" if fields["Code"] == "123456" else "pending"})


async def test_codes_are_sent_and_checked(client: HttpClient) -> None:
    twilio = Twilio()
    await twilio.start()
    try:
        url = f"{twilio.url}/v2"
        functions = TwilioFunctions(client, TwilioSettings(True, "AC1", "tok", "VA1", url)).functions()
        assert await call(functions, "send_otp", "+34600") is True
        assert await call(functions, "send_otp", "+1") is False
        assert await call(functions, "check_otp", "+34600", "123456") is True
        assert await call(functions, "check_otp", "+34600", 123456) is True
        assert await call(functions, "check_otp", "+34600", "000000") is False
        assert await call(functions, "check_otp", "+1", "123456") is False
        assert twilio.asked[0]["body"] == "To=%2B34600&Channel=sms"
        wrong = TwilioFunctions(client, TwilioSettings(True, "AC1", "wrong", "VA1", url)).functions()
        with pytest.raises(CallRefused, match="401 Authenticate"):
            await call(wrong, "check_otp", "+34600", "123456")
        gone = TwilioSettings(True, "AC1", "tok", "VA1", f"http://127.0.0.1:{free_port()}")
        with pytest.raises(CallRefused, match="cannot be reached"):
            await call(TwilioFunctions(client, gone).functions(), "send_otp", "+34600")
    finally:
        await twilio.stop()


async def test_without_twilio_everything_is_true_as_in_go(client: HttpClient) -> None:
    functions = TwilioFunctions(client, TwilioSettings()).functions()
    assert await call(functions, "send_otp", "+1") is True
    assert await call(functions, "check_otp", "+1", "x") is True
    with pytest.raises(CallRefused, match="account_sid"):
        await call(TwilioFunctions(client, TwilioSettings(enabled=True)).functions(), "send_otp", "+1")


# --- redis -----------------------------------------------------------------------------------------------------------


async def test_hashes_of_redis_answer_as_go_s_commands(redis_server: RedisServer) -> None:
    door = RedisDoor(RedisSettings(host=f"127.0.0.1:{redis_server.port}"))
    await door.open()
    redis = RedisFunctions(door).functions()
    assert await call(redis, "redis_hset", "k", "f", "grüße") == {"val": 1, "err": None}
    assert await call(redis, "redis_hset", "k", "f", "again") == {"val": 0, "err": None}
    assert await call(redis, "redis_hget", "k", "f") == {"val": "again", "err": None}
    assert await call(redis, "redis_hget", "k", "none") == {"val": "", "err": "redis: nil"}
    for value, kept in ((True, "1"), (5, "5"), (2.5, "2.5"), (3.0, "3")):
        await call(redis, "redis_hset", "k", "n", value)
        assert (await call(redis, "redis_hget", "k", "n"))["val"] == kept
    assert "JSON.stringify" in (await call(redis, "redis_hset", "k", "o", {"a": 1}))["err"]
    assert await call(redis, "redis_expire", "k", 100) == {"val": True, "err": None}
    assert 0 < await door.call("TTL", "k") <= 100
    assert await call(redis, "redis_expire", "none", 100) == {"val": False, "err": None}
    assert await call(redis, "redis_hdel", "k", "f") == {"val": 1, "err": None}
    await door.call("SET", "text", "x")
    assert "WRONGTYPE" in (await call(redis, "redis_hget", "text", "f"))["err"]
    await door.close()


async def test_the_runtime_s_own_keys_are_out_of_reach(redis_server: RedisServer) -> None:
    door = RedisDoor(RedisSettings(host=f"127.0.0.1:{redis_server.port}"))
    await door.open()
    await door.call("HSET", "nflow:session:x", "profile", "ana")
    redis = RedisFunctions(door).functions()
    for name, *rest in (
        ("redis_hset", "f", "v"),
        ("redis_hget", "profile"),
        ("redis_hdel", "profile"),
        ("redis_expire", 1),
    ):
        result = await call(redis, name, "nflow:session:x", *rest)
        assert "runtime's own" in result["err"]
        assert not result["val"]
    assert await door.call("HGETALL", "nflow:session:x") == [b"profile", b"ana"]
    assert await door.call("TTL", "nflow:session:x") == -1
    await door.close()


async def test_an_outage_of_redis_is_an_error_in_the_result() -> None:
    door = RedisDoor(RedisSettings(host=f"127.0.0.1:{free_port()}"))
    await door.open()
    for functions, says in (
        (RedisFunctions(door), "out of reach"),
        (RedisFunctions(door, enabled=False), "enable_network"),
        (RedisFunctions(RedisDoor(RedisSettings())), "[redis] host"),
    ):
        result = await call(functions.functions(), "redis_hget", "k", "f")
        assert says in result["err"]
        assert result["val"] == ""
    await door.close()
