"""What an author may ask of the runtime for a node or a start, under `nflow_options`. Our own addition, opt-in.

    node:   {"retry": {"attempts": 3, "wait": 0.5, "backoff": 2, "max_wait": 30}, "timeout": 10,
             "input": {"id": "{{customer.id}}"}, "output": {"total": "{{sum}}"},
             "cache": {"seconds": 60, "key": "{{id}}"}}
    start:  {"schema": {…JSON Schema of the input…}, "compress": true}

Times are in seconds. Every mistake is found, each with its path; an unknown name is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from protocol.flow import Cache, Options, Retry
from protocol.formats.document import join, show
from protocol.formats.input_schema import InputSchema

KEY: Final = "nflow_options"
MAX_ATTEMPTS: Final = 100
MAX_SECONDS: Final = 86_400.0
NODE_NAMES: Final = frozenset({"retry", "timeout", "input", "output", "cache"})
START_NAMES: Final = frozenset({"schema", "compress"})

Report = Callable[[str, str], None]
"""Takes (path, message)."""


def node_options(data: Mapping[str, Any], at: str, error: Report) -> Options | None:
    """The options of a node; None when it has none."""
    written, at = data.get(KEY), join(at, KEY)
    if written is None or not _is_object(written, NODE_NAMES, at, error):
        return None
    return Options(
        retry=_retry(written.get("retry"), join(at, "retry"), error),
        timeout_seconds=_number(written, "timeout", at, error, most=MAX_SECONDS),
        input=_mapping(written.get("input"), join(at, "input"), error),
        output=_mapping(written.get("output"), join(at, "output"), error),
        cache=_cache(written.get("cache"), join(at, "cache"), error),
    )


def start_options(data: Mapping[str, Any], at: str, error: Report) -> tuple[InputSchema | None, bool]:
    """The input's schema, or None, and whether answers may be compressed."""
    written, at = data.get(KEY), join(at, KEY)
    if written is None or not _is_object(written, START_NAMES, at, error):
        return None, False
    compress = written.get("compress", False)
    if not isinstance(compress, bool):
        error(join(at, "compress"), "must be true or false")
    schema = written.get("schema")
    if schema is None:
        return None, compress is True
    try:
        return InputSchema(schema), compress is True
    except ValueError as wrong:
        error(join(at, "schema"), f"is no JSON Schema: {wrong}")
        return None, False


def _retry(written: Any, at: str, error: Report) -> Retry | None:
    if written is None:
        return None
    if isinstance(written, int) and not isinstance(written, bool):
        written = {"attempts": written}
    names = frozenset({"attempts", "wait", "backoff", "max_wait"})
    if not _is_object(written, names, at, error, "a whole number of attempts, or "):
        return None
    attempts = written.get("attempts")
    if not isinstance(attempts, int) or isinstance(attempts, bool) or not 1 <= attempts <= MAX_ATTEMPTS:
        error(join(at, "attempts"), f"must be a whole number from 1 to {MAX_ATTEMPTS}")
        return None
    wait = _number(written, "wait", at, error, least=0, most=MAX_SECONDS)
    backoff = _number(written, "backoff", at, error, least=1, most=100)
    longest = _number(written, "max_wait", at, error, least=0, most=MAX_SECONDS)
    return Retry(
        attempts,
        1.0 if wait is None else wait,
        2.0 if backoff is None else backoff,
        30.0 if longest is None else longest,
    )


def _cache(written: Any, at: str, error: Report) -> Cache | None:
    if written is None:
        return None
    if isinstance(written, int | float) and not isinstance(written, bool):
        written = {"seconds": written}
    if not _is_object(written, frozenset({"seconds", "key"}), at, error, "a number of seconds, or "):
        return None
    seconds = _number(written, "seconds", at, error, most=MAX_SECONDS)
    if seconds is None:
        error(join(at, "seconds"), "missing: how long a result may be used again")
        return None
    return Cache(seconds, written.get("key"))


def _mapping(written: Any, at: str, error: Report) -> Mapping[str, Any] | None:
    if written is None:
        return None
    if not isinstance(written, dict):
        error(at, "must be an object: name to value, where {{path}} looks into the payload")
        return None
    return written


def _number(
    table: Mapping[str, Any], name: str, at: str, error: Report, *, least: float | None = None, most: float
) -> float | None:
    value = table.get(name)
    if value is None:
        return None
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if good and (value > 0 if least is None else value >= least) and value <= most:
        return float(value)
    bound = "more than 0" if least is None else f"at least {least:g}"
    error(join(at, name), f"must be a number, {bound} and at most {most:g}")
    return None


def _is_object(written: Any, names: frozenset[str], at: str, error: Report, instead: str = "") -> bool:
    if not isinstance(written, dict):
        error(at, f"must be {instead}an object of {', '.join(sorted(names))}")
        return False
    for name in written:
        if name not in names:
            error(join(at, name), f"unknown name {show(name)}; there are {', '.join(sorted(names))}")
    return True
