"""An aborted signal ends a fetch, and a signal with a time limit ends by itself without keeping a run waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def silent(fresh: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The library before a peer that never answers, and a runtime whose sleep is over at once."""
    never = fresh.never
    fresh.answer = lambda name, values: None if name == "sleep" else never
    return fresh


def test_an_abort_rejects_the_fetch_with_its_reason(silent: Any) -> None:
    assert silent.run(
        """
        const controller = new AbortController();
        const fetched = fetch('http://h/', { signal: controller.signal }).catch((error) => [error.name, error.message]);
        await null;
        controller.abort();
        return fetched;
        """
    ) == ["AbortError", "This operation was aborted"]
    assert (
        silent.run(
            "const c = new AbortController(), p = fetch('http://h/', { signal: c.signal }); c.abort('mine');"
            " return p.catch((reason) => reason);"
        )
        == "mine"
    )


def test_an_aborted_signal_sends_nothing(silent: Any) -> None:
    assert silent.thrown("await fetch('http://h/', { signal: AbortSignal.abort() });").name == "AbortError"
    assert silent.sent == []


def test_a_time_limit_goes_with_the_call_and_wakes_nobody(silent: Any) -> None:
    silent.run("fetch('http://h/', { signal: AbortSignal.timeout(5000) });")
    ((name, (_, _, options)),) = silent.sent
    assert name == "http.request"
    assert 4000 < options["timeoutMs"] <= 5000


def test_a_call_over_its_time_limit_rejects_with_a_timeout(silent: Any) -> None:
    def slow(name: str, values: Any) -> Any:
        from protocol.errors import CallRefused

        raise CallRefused("no answer", name="TimeoutError")

    silent.answer = slow
    body = "const end = Date.now() + 3; const s = AbortSignal.timeout(1); while (Date.now() < end);"
    assert silent.thrown(f"{body} await fetch('http://h/', {{ signal: s }});").name == "TimeoutError"


def test_who_listens_to_a_time_limit_is_told(silent: Any) -> None:
    assert silent.run(
        """
        const signal = AbortSignal.timeout(0);
        while (Date.now() % 1000 === 1001);
        return [signal.aborted, signal.reason.name];
        """
    ) == [True, "TimeoutError"]
    assert (
        silent.run(
            "const signal = AbortSignal.timeout(20); const told = new Promise((done) => { signal.onabort = () => done('told'); });"
            " const end = Date.now() + 25; while (Date.now() < end); return told;"
        )
        == "told"
    )
    assert [name for name, _ in silent.sent] == ["sleep"]


def test_any_follows_the_first_of_its_signals(silent: Any) -> None:
    assert silent.run(
        """
        const [a, b] = [new AbortController(), new AbortController()];
        const any = AbortSignal.any([a.signal, AbortSignal.any([b.signal])]);
        const fetched = fetch('http://h/', { signal: any }).catch((reason) => reason);
        b.abort('b');
        a.abort('a');
        return [await fetched, any.reason];
        """
    ) == ["b", "b"]


LISTENERS: list[tuple[str, Callable[[list[str]], bool]]] = [
    ("s.addEventListener('abort', f); s.addEventListener('abort', f);", lambda heard: heard == ["abort"]),
    ("s.addEventListener('abort', { handleEvent: f });", lambda heard: heard == ["abort"]),
    ("s.addEventListener('abort', f); s.removeEventListener('abort', f);", lambda heard: heard == []),
    ("s.addEventListener('other', f);", lambda heard: heard == []),
    ("s.onabort = f; s.onabort = null;", lambda heard: heard == []),
]


@pytest.mark.parametrize(("listening", "right"), LISTENERS)
def test_listeners_are_told_once(silent: Any, listening: str, right: Callable[[list[str]], bool]) -> None:
    heard = silent.run(
        f"const heard = [], c = new AbortController(), s = c.signal, f = (event) => heard.push(event.type);"
        f" {listening} c.abort(); c.abort(); return heard;"
    )
    assert right(heard)


def test_a_listener_that_throws_hinders_no_other(silent: Any) -> None:
    assert silent.run(
        """
        const c = new AbortController(), heard = [];
        c.signal.addEventListener('abort', () => { throw new Error('mine'); });
        c.signal.addEventListener('abort', () => heard.push('second'));
        try { c.abort(); } catch (error) { heard.push(error.message); }
        return heard;
        """
    ) == ["second", "mine"]
