"""Makes the lines of a batch: text as in the manuals, or JSON; everything sensitive masked.

    2024-01-15 10:30:45 [INFO] message key=value
    {"time":"2024-01-15T10:30:45.123Z","level":"info","msg":"message","key":"value"}

Times are UTC. Texts are masked one by one, before they are escaped and put together, so a mask never breaks a line.
Fields that the runtime itself fills in (`OURS`: addresses, ids) are not searched for personal data, only for secrets:
without the client's address a line of a request would be worth little. On the writer's thread.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

from actors.guards.redaction import mask_query, may_hold_secrets, names_a_secret
from actors.guards.sanitizer import SECRET_KINDS, Sanitizer, SanitizerSettings
from gateway.logs.access import Answered
from gateway.logs.said import Said
from gateway.logs.settings import Format
from protocol.codec import dumps

OURS: Final = frozenset({"address", "app", "client", "flow", "node", "request_id", "trace_id", "url", "wid"})
_UPPER: Final = {10: "DEBUG", 20: "INFO", 30: "WARN", 40: "ERROR", 50: "CRITICAL"}
_LOWER: Final = {number: name.lower() for number, name in _UPPER.items()}
_CONTROLS: Final = {
    code: chr(code).encode("unicode_escape").decode()
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0xD800, 0xE000))
}
"""What could end a line, be obeyed by a terminal, or is half a character → what is written for it."""
_BEYOND_JSON: Final = re.compile("[\x7f-\x9f\u2028\u2029]")
"""What a terminal obeys and JSON does not escape."""
_BARE: Final = re.compile(r"[^\s\"'\\]+")
_PLAIN: Final = re.compile(r"[!#-&(-\[\]-~\n]*")
"""What stands in a line as it is; the breaks are those between the texts of a batch."""
_BAR: Final = "\n  | "


class Lines:
    """Makes bytes of what was said."""

    __slots__ = ("_form", "_now", "_ours", "_sanitizer")

    def __init__(self, form: Format, sanitizer: SanitizerSettings) -> None:
        """Raises BadDocument for a sanitiser that cannot be."""
        self._form = form
        self._sanitizer = Sanitizer(sanitizer)
        kinds = tuple(kind for kind in sanitizer.kinds if kind in SECRET_KINDS)
        self._ours = Sanitizer(
            SanitizerSettings(
                kinds, {}, sanitizer.secrets, sanitizer.masking_char, sanitizer.preserve_length, sanitizer.show_type
            )
        )
        self._now = (-1, "", "")

    def make(self, batch: Sequence[Said | Answered]) -> bytes:
        """Whole lines."""
        requests = [item for item in batch if not isinstance(item, Said)]
        line = self._requests(requests)
        made = [self._event(item) if isinstance(item, Said) else line(item) for item in batch]
        return ("\n".join(made) + "\n").encode("utf-8", "replace")

    # --- the line of a request ---

    def _requests(self, requests: Sequence[Answered]) -> Callable[[Answered], str]:
        """How the lines of these requests are made: with care, unless one look at what their clients wrote says that
        there is nothing to mask and nothing to escape."""
        written = "\n".join([f"{visit.path}?{query}\n{visit.id}" for _, visit, query, _, _ in requests])
        if (
            _PLAIN.fullmatch(written) is None
            or written.count("\n") >= 2 * len(requests) > 0
            or may_hold_secrets((), (written,))
            or self._sanitizer.may_mask(written.encode())
        ):
            return self._careful
        return self._plain if self._form == "text" else self._plain_json

    def _plain(self, item: Answered) -> str:
        when, visit, query, size, seconds = item
        if visit.reason or visit.trace:
            return self._careful(item)
        flow, route = _place(visit.app, visit.flow, visit.route)
        wid = f" wid={visit.wid}" if visit.wid else ""
        return (
            f"{self._text_time(when)} [INFO] request method={_known(visit.method)}"
            f" path={visit.path}{'?' if query else ''}{query} status={visit.status} duration_ms={seconds * 1000:.3f}"
            f" client={visit.client} bytes={size} request_id={visit.id}{flow}{wid}{route}"
        )

    def _plain_json(self, item: Answered) -> str:
        when, visit, query, size, seconds = item
        if visit.reason or visit.trace:
            return self._careful(item)
        method, flow, route = _json_place(visit.method, visit.app, visit.flow, visit.route)
        wid = f'"wid":"{visit.wid}",' if visit.wid else ""
        return (
            f'{{"time":"{self._json_time(when)}","level":"info","msg":"request","method":{method},'
            f'"path":"{visit.path}{"?" if query else ""}{query}","status":{visit.status},'
            f'"duration_ms":{seconds * 1000:.3f},"client":"{visit.client}","bytes":{size},"request_id":"{visit.id}",'
            f'{flow}{wid}"route":{route}}}'
        )

    def _careful(self, item: Answered) -> str:
        """Its fields are ours, but for the path and the id."""
        when, visit, query, size, seconds = item
        path = self._sanitizer.text(f"{visit.path}?{mask_query(query)}" if query else visit.path)
        request, reason = self._ours.text(visit.id), visit.reason
        if reason:
            reason = self._sanitizer.text(reason)
        if self._form == "json":
            told: dict[str, Any] = {
                "time": self._json_time(when), "level": "info", "msg": "request", "method": visit.method, "path": path,
                "status": visit.status, "duration_ms": round(seconds * 1000, 3), "client": visit.client, "bytes": size,
                "request_id": request,
            }  # fmt: skip
            if visit.flow:
                told["app"], told["flow"] = visit.app, visit.flow
            ids = (("wid", visit.wid), ("route", visit.route), ("trace_id", visit.trace), ("reason", reason))
            told.update({name: value for name, value in ids if value})
            return _json(told)
        flow, route = _place(visit.app, visit.flow, visit.route)
        line = (
            f"{self._text_time(when)} [INFO] request method={_known(visit.method)} path={_quoted(path)}"
            f" status={visit.status} duration_ms={seconds * 1000:.3f} client={visit.client} bytes={size}"
            f" request_id={_quoted(request)}{flow}"
        )
        if visit.wid:
            line += f" wid={visit.wid}"
        line += route
        if visit.trace:
            line += f" trace_id={visit.trace}"
        return f"{line} reason={_quoted(reason)}" if reason else line

    # --- any other event ---

    def _event(self, said: Said) -> str:
        text, fields, trace = said.text, said.fields, said.trace
        joined = "\n".join((text, trace, *(value for value in fields.values() if isinstance(value, str))))
        if self._sanitizer.may_mask(joined.encode("utf-8", "replace")) or any(map(names_a_secret, fields)):
            text, trace = self._sanitizer.text(text), self._sanitizer.text(trace)
            fields = {
                name: (self._ours if name in OURS else self._sanitizer).value(name, value)
                for name, value in fields.items()
            }
        if self._form == "json":
            told = {"time": self._json_time(said.time), "level": _LOWER.get(said.level, "info"), "msg": text}
            for name, value in fields.items():
                told[f"{name}_" if name in told else name] = value
            if trace:
                told["exception"] = trace
            return _json(told)
        line = f"{self._text_time(said.time)} [{_UPPER.get(said.level, 'INFO')}] {_escaped(text)}"
        for name, value in fields.items():
            line += f" {_escaped(name)}={_quoted(value) if isinstance(value, str) else _word(value)}"
        for each in trace.splitlines():
            line += _BAR + _escaped(each)
        return line

    # --- times ---

    def _text_time(self, when: float) -> str:
        return self._second(int(when))[1]

    def _json_time(self, when: float) -> str:
        second = int(when)
        return f"{self._second(second)[2]}.{int((when - second) * 1000):03}Z"

    def _second(self, second: int) -> tuple[int, str, str]:
        """The second written in both ways, kept for the next line."""
        if self._now[0] != second:
            text = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(second))
            self._now = (second, text, text.replace(" ", "T"))
        return self._now


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return text.translate(_CONTROLS)


def _quoted(text: str) -> str:
    """A value as one word."""
    if _BARE.fullmatch(text):
        return _escaped(text)
    return '"' + _escaped(text).replace('"', '\\"') + '"'


@lru_cache(1_000)
def _place(app: str, flow: str, route: str) -> tuple[str, str]:
    """Which flow, and by which route, as a line says it."""
    return f" app={_quoted(app)} flow={_quoted(flow)}" if flow else "", f" route={_quoted(route)}"


@lru_cache(1_000)
def _json_place(method: str, app: str, flow: str, route: str) -> tuple[str, str, str]:
    """Method, which flow, and by which route, as a JSON line says it."""
    method, app, flow, route = (_json_text(text) for text in (method, app, flow, route))
    return method, f'"app":{app},"flow":{flow},' if flow != '""' else "", route


@lru_cache(1_000)
def _known(text: str) -> str:
    """The same for what comes again and again."""
    return _quoted(text)


def _word(value: Any) -> str:
    """A number as it is; yes, no and nothing as JSON has them."""
    return (
        {None: "null", True: "true", False: "false"}[value]
        if value is None or value is True or value is False
        else str(value)
    )


def _json_text(text: str) -> str:
    line = dumps(text.encode("utf-8", "replace").decode()).decode()
    return _BEYOND_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


def _json(told: dict[str, Any]) -> str:
    try:
        line = dumps(told).decode()
    except ValueError:  # half a surrogate pair
        line = dumps(
            {
                name.encode("utf-8", "replace").decode(): (
                    value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
                )
                for name, value in told.items()
            }
        ).decode()
    return _BEYOND_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", line)
