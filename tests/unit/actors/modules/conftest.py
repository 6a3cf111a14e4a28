"""The default modules on the real engine, with a host that the test plays."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from actors.modules.defaults import default_sources
from actors.sandbox.vm import Engine
from protocol.sandbox import Limits

SANDBOX_BENCH = Path(__file__).parents[1] / "sandbox" / "conftest.py"


def _bench_class() -> Any:
    spec = importlib.util.spec_from_file_location("sandbox_bench", SANDBOX_BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Bench


class ModuleBench:
    """Runs modules by name. `host` maps the functions a module may call to what they answer, or do."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.host: dict[str, Any] = {}
        self.calls: list[tuple[str, list[Any]]] = []
        self.sources = dict(default_sources())
        bench.reply = self._answer

    def _answer(self, name: str, arguments: list[Any]) -> str:
        self.calls.append((name, arguments))
        if name not in self.host:
            return "0" + json.dumps({"name": "Error", "message": f"{name} was not expected"})
        answer = self.host[name]
        return "1" + json.dumps(answer(*arguments) if callable(answer) else answer)

    def _order(self, data: dict[str, Any], **order: Any) -> dict[str, Any]:
        statics = {"nflow_data": data, "current_box": "box", "__outputs": {"output_1": "after"}}
        return {"statics": statics | order.pop("statics", {}), **order}

    def run(self, name: str, data: dict[str, Any] | None = None, **order: Any) -> Any:
        """What a module leaves: its result."""
        return self.bench.done(self.sources[name], **self._order(data or {}, **order)).result

    def failed(self, name: str, data: dict[str, Any] | None = None, **order: Any) -> Any:
        """How a module that must fail does."""
        return self.bench.failed(self.sources[name], **self._order(data or {}, **order))

    def answer(self, name: str, data: dict[str, Any] | None = None, **order: Any) -> tuple[int, str]:
        """Status and text of a module's answer."""
        answer = self.run(name, data, **order).answer
        assert answer is not None
        return answer.status, answer.body.decode()


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine, once."""
    return Engine()


@pytest.fixture
def modules(engine: Engine) -> ModuleBench:
    """The modules, and a host that knows nothing yet."""
    return ModuleBench(_bench_class()(engine, Limits(memory_mb=64, execution_seconds=5.0)))
