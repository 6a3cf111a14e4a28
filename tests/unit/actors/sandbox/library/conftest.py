"""The web library in a realm of the real engine, hardened as a shared realm is, with a runtime that the test plays."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import actors.sandbox.vm
from actors.sandbox.child.local import local_functions
from actors.sandbox.library.source import library_source
from actors.sandbox.sources import SLOT
from actors.sandbox.vm import Context, Engine, JSException
from protocol.errors import CallRefused

_SANDBOX = Path(actors.sandbox.vm.__file__).parent
NEVER = object()
"""What `answer` returns for a call that is never answered."""

_LINK = """(function (shared, hardened, library) {
  const host = globalThis.%s;
  delete globalThis.%s;
  const settle = hardened(shared);
  const { defineProperty } = Object;
  const { parse, stringify } = JSON;
  const reached = (text) => {
    if (text === '') return new Promise(() => {});
    const told = parse(text.slice(1));
    return text[0] === '1' ? Promise.resolve(told) : Promise.reject(Object.assign(new Error(told.message), { name: told.name }));
  };
  const linked = library({
    settle,
    local: (name, values) => {
      const text = host('local', name, stringify(values));
      if (text[0] === '1') return parse(text.slice(1));
      throw new Error(parse(text.slice(1)).message);
    },
    send: (name, values) => reached(host('send', name, stringify(values))),
  });
  for (const name of Object.keys(linked.globals))
    defineProperty(globalThis, name, { get: () => linked.globals[name], configurable: true });
  globalThis.require = (name) => linked.modules[name];
  let outcome = '';
  const failed = (error) => {
    const { name, code, message } = Object(error);
    outcome = '0' + stringify({ name, code: typeof code === 'string' ? code : '', message: message ?? String(error) });
  };
  return (body) => {
    if (body === undefined) return String(outcome);
    outcome = '';
    try {
      body().then((value) => { outcome = '1' + (stringify(value) ?? 'null'); }).catch(failed);
    } catch (error) {
      failed(error);
    }
  };
})""" % (SLOT, SLOT)  # noqa: UP031 - braces


class Thrown(Exception):
    """What a script threw: `name`, `code` and `message`."""

    def __init__(self, name: str = "", code: str = "", message: str = "") -> None:
        super().__init__(f"{name} [{code}]: {message}")
        self.name, self.code, self.message = name, code, message


class Library:
    """Runs texts that use the library. `sent` are the calls it made, `answer` says what each gives."""

    def __init__(self, engine: Engine, *, shared: bool = True) -> None:
        self.engine = engine
        self.sent: list[tuple[str, Any]] = []
        self.answer: Callable[[str, Any], Any] = lambda name, values: None
        self.local = dict(local_functions())
        engine.budget.start(1 << 60, 60.0)
        self.context = context = Context(engine)
        parts = [
            self._loaded(text)
            for text in (_LINK, (_SANDBOX / "prelude/prelude.js").read_text("utf-8"), library_source())
        ]
        context.put_callable(self._host)
        link, harden, library = parts
        self._run = link(shared, harden, library)

    def _loaded(self, text: str) -> Any:
        self.context.load(self.context.compile(text))
        return self.context.take()

    def _host(self, kind: str, name: str, values: str) -> str:
        try:
            if kind == "local":
                return "1" + json.dumps(self.local[name](json.loads(values)))
            self.sent.append((name, json.loads(values)))
            told = self.answer(name, json.loads(values))
            return "" if told is NEVER else "1" + json.dumps(told)
        except CallRefused as refused:
            return "0" + json.dumps({"name": refused.name, "message": str(refused)})

    def run(self, body: str) -> Any:
        """The value that the body of an async function returns, as JSON. Raises Thrown."""
        self._run(self._loaded(f"(async () => {{ 'use strict'; {body} }})"))
        while self.context.pending():
            pass
        outcome = self._run()
        if outcome == "":
            return NEVER
        told = json.loads(outcome[1:])
        if outcome[0] == "0":
            raise Thrown(**told)
        return told

    def value(self, expression: str) -> Any:
        """What an expression gives, as JSON. Raises Thrown."""
        return self.run(f"return ({expression});")

    never = NEVER

    def thrown(self, body: str) -> Thrown:
        """What the body throws: it must."""
        try:
            value = self.run(body)
        except Thrown as error:
            return error
        raise AssertionError(f"nothing was thrown, but returned: {value!r}")

    def stops(self, body: str, *, operations: int) -> bool:
        """Whether the engine's hook stops this: no loop of the library is out of its reach."""
        self.engine.budget.start(operations, 20.0)
        try:
            self.run(body)
        except JSException:
            return True
        finally:
            self.engine.budget.start(1 << 60, 60.0)
        return False


@pytest.fixture(scope="session")
def bare_engine() -> Engine:
    """An engine that has compiled nothing."""
    return Engine({})


@pytest.fixture(scope="module")
def library(bare_engine: Engine) -> Library:
    """The library in a shared realm: everything frozen. One for all tests of a file, as runs share it."""
    return Library(bare_engine)


@pytest.fixture
def fresh(bare_engine: Engine) -> Library:
    """The library in a realm of the test's own, whose built-ins can be changed."""
    return Library(bare_engine, shared=False)
