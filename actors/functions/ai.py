"""nFlow's `openai`, `gemini` and `ollama`: one question to a language model, one text back.

Prompt and system are mustache templates, rendered with the call's data. What goes wrong is thrown into the script with
the provider's own words. Keys are the script's: they are in no message, and nothing of a call is logged. Base addresses
are the operator's (`[ai]`) and pass the address guard; one that a script names for Ollama does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from actors.functions.arguments import Arguments
from actors.functions.caller import Caller, Functions
from actors.functions.http import patience
from actors.reach.http_client import HttpClient
from actors.reach.http_message import HttpRequest, HttpResponse
from protocol.codec import dumps, loads_from_script
from protocol.errors import BadDocument, CallRefused
from protocol.process import Pairs

Render = Callable[[str, Any], str]
"""(mustache source, data) → text. May raise a Refusal. Called on a thread, never twice at once."""


@dataclass(frozen=True, slots=True)
class AiSettings:
    """Where the models are."""

    openai_url: str = "https://api.openai.com/v1"
    gemini_url: str = "https://generativelanguage.googleapis.com/v1beta"
    ollama_url: str = "http://localhost:11434"
    timeout_seconds: float = 120.0


class AiFunctions:
    """The three functions over one HTTP client."""

    __slots__ = ("_client", "_render", "_settings", "_turn")

    def __init__(self, client: HttpClient, settings: AiSettings, render: Render) -> None:
        self._client = client
        self._settings = settings
        self._render = render
        self._turn = asyncio.Lock()

    def functions(self) -> Functions:
        """By nFlow's names (Go: plugin ia)."""
        return {"openai": self._openai, "gemini": self._gemini, "ollama": self._ollama}

    async def _openai(self, caller: Caller, values: list[Any]) -> Any:
        """The first choice's text, from an OpenAI-compatible chat completions API."""
        arguments = Arguments("openai(apiKey, system, prompt, model, data)", values)
        key, model = arguments.text(0), _model(arguments, 3)
        answer = await self._ask(
            caller,
            "openai",
            f"{self._settings.openai_url.rstrip('/')}/chat/completions",
            {"model": model, "messages": await self._messages(arguments)},
            key,
            (("Authorization", f"Bearer {key}"),),
        )
        return _text("openai", answer, "choices", 0, "message", "content")

    async def _gemini(self, caller: Caller, values: list[Any]) -> Any:
        """The first candidate's text. The key goes in a header; in Go it is in the URL, where logs show it."""
        arguments = Arguments("gemini(apiKey, prompt, model, data)", values)
        key, model = arguments.text(0), _model(arguments, 2)
        prompt = await self._rendered(arguments.text(1), arguments.value(3))
        kind, _, name = model.rpartition("/")
        place = f"{quote(kind or 'models', safe='')}/{quote(name, safe='')}"
        answer = await self._ask(
            caller,
            "gemini",
            f"{self._settings.gemini_url.rstrip('/')}/{place}:generateContent",
            {"contents": [{"role": "user", "parts": [{"text": prompt}]}]},
            key,
            (("x-goog-api-key", key),),
        )
        text = _gemini_text(answer)
        if not text:
            reason = _found(answer, "candidates", 0, "finishReason") or _found(answer, "promptFeedback", "blockReason")
            raise _failed("gemini", f"the answer holds no text{f' ({reason})' if isinstance(reason, str) else ''}")
        return text

    async def _ollama(self, caller: Caller, values: list[Any]) -> Any:
        """The message's text, from Ollama's chat API."""
        arguments = Arguments("ollama(baseURL, system, prompt, model, data)", values)
        configured = self._settings.ollama_url.rstrip("/")
        base = arguments.text(0, "").strip().rstrip("/") or configured
        model = _model(arguments, 3)
        answer = await self._ask(
            caller,
            "ollama",
            f"{base}/api/chat",
            {"model": model, "messages": await self._messages(arguments), "stream": False},
            "",
            (),
            own=base == configured,
        )
        return _text("ollama", answer, "message", "content")

    async def _messages(self, arguments: Arguments) -> list[dict[str, str]]:
        data = arguments.value(4)
        system = await self._rendered(arguments.text(1, ""), data)
        prompt = {"role": "user", "content": await self._rendered(arguments.text(2), data)}
        return [{"role": "system", "content": system}, prompt] if system else [prompt]

    async def _rendered(self, source: str, data: Any) -> str:
        """On a thread, as it may take a while, and one at a time, so that the loop gets its turns."""
        if "{{" not in source:
            return source
        async with self._turn:
            return await asyncio.to_thread(self._render, source, data)

    async def _ask(
        self, caller: Caller, name: str, url: str, body: Any, key: str, headers: Pairs, *, own: bool = True
    ) -> Any:
        seconds = min(self._settings.timeout_seconds, patience(caller))
        headers = (("Content-Type", "application/json"), *headers)
        request = HttpRequest("POST", url, headers, dumps(body), seconds, "error")
        response = await self._client.fetch(request, tenant=caller.tenant, own=own, traceparent=caller.traceparent)
        try:
            answer = loads_from_script(response.body, name)
        except BadDocument:
            answer = None
        if not 200 <= response.status < 300:
            raise _failed(name, f"{response.status} {_complaint(answer, response)}".strip(), key)
        if not isinstance(answer, dict):
            raise _failed(name, "the answer is no JSON object")
        if answer.get("error"):
            raise _failed(name, _complaint(answer, response), key)
        return answer


def _model(arguments: Arguments, place: int) -> str:
    model = arguments.text(place)
    if not model.strip():
        raise CallRefused("the model is missing: there is no default", name="TypeError")
    return model.strip()


def _text(name: str, answer: Any, *path: str | int) -> str:
    text = _found(answer, *path)
    if not isinstance(text, str):
        raise _failed(name, "the answer holds no text")
    return text


def _gemini_text(answer: Any) -> str:
    parts = _found(answer, "candidates", 0, "content", "parts")
    texts = [_found(part, "text") for part in parts] if isinstance(parts, list) else []
    return "".join(text for text in texts if isinstance(text, str))


def _found(value: Any, *path: str | int) -> Any:
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and len(value) > step else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def _complaint(answer: Any, response: HttpResponse) -> str:
    """The provider's words: `{"error": {"message"}}` or `{"error": text}`, Gemini's also inside a list."""
    if isinstance(answer, list) and answer:
        answer = answer[0]
    error = _found(answer, "error")
    message = error if isinstance(error, str) else _found(error, "message")
    return message[:1_000] if isinstance(message, str) else response.reason


def _failed(name: str, message: str, key: str = "") -> CallRefused:
    if len(key) >= 4:  # providers like to repeat the key they were given
        message = message.replace(key, "***")
    return CallRefused(f"{name}: {message}", name="AIError")
