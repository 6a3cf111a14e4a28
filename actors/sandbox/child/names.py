"""The globals a script can be given, and which of them a text reaches.

Two kinds. Those of the run (`payload`, `vars`, …) are also given to a text that may reach names it does not spell, by
way of the global object. The others are the same for every run, live in rooms of the prelude (`sources.py`), and are
given to a text that spells them: a room costs its realm something, so a name after a dot, no global, does not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from actors.sandbox.library.source import GLOBALS as LIBRARY
from protocol.sandbox import WAITED

OF_THE_RUN: Final = (
    "payload",
    "next",
    "c",
    "echo_context",
    "console",
    "vars",
    "path_vars",
    "post_data",
    "form",
    "header",
    "env",
    "config",
    "nflow_data",
    "dromedary_data",
    "nflow_endpoint",
    "wid",
    "url_base",
    "current_box",
    "prev_box",
    "__outputs",
    "__flow_name",
    "__flow_app",
)
"""Every global of a run; the prelude knows how each comes about (`playbook.js`)."""
ROOMS: Final = {
    "functions": (
        *("set_session", "get_session", "open_session", "save_session", "delete_session"),
        *("open_session_form", "delete_session_form"),
        *("set_profile", "get_profile", "exist_profile", "delete_profile"),
        *("validate_user", "get_user", "validate_token", "get_token"),
        *("calcular_sha512", "calcular_sha512_224", "calcular_sha512_256"),
        *("get_template", "template", "mustache"),
        *("http_get", "http_delete", "http_post", "http_put", "http_patch"),
        *("http_get_with_header", "http_delete_with_header", "http_post_with_header"),
        *("http_put_with_header", "http_patch_with_header"),
        *("openai", "gemini", "ollama"),
        *("mail", "mail_config", "send_mail", "send_mail_async", "send_otp", "check_otp"),
        *("redis_hset", "redis_hget", "redis_hdel", "redis_expire"),
        *("file_to_string", "string_to_file", "sleep", "wkill", "uuid", "security", "program"),
        *("find_element", "clean_json", "atob", "url_values_to_map", "new_map", "get_env", "set_env"),
        *("time_now_unix", "time_now_unix_nano", "time_now_day", "time_now_month", "time_now_year"),
        *("time_now_hour", "time_now_minute", "time_now_second", "time_now_weekday"),
    ),
    "rules": ("rule_add_fx", "rule_run"),
    "timers": ("setTimeout", "clearTimeout", "setInterval", "clearInterval", "setImmediate", "clearImmediate",
               "queueMicrotask"),
    "http": ("http",),
    "database": ("db",),
    "library": (*sorted(LIBRARY), "require"),
}  # fmt: skip
"""The globals of each room."""
_ANY_NAME: Final = re.compile(r"\b(?:this|globalThis|super)\b|\\u", re.ASCII)
"""With the global object in hand, or an escaped identifier, a text reaches names it does not spell."""
_OF_THE_RUN: Final = re.compile(rf"\b(?:{'|'.join(OF_THE_RUN)})\b", re.ASCII)


_VARS: Final = re.compile(r"\b(?:path_)?vars\b", re.ASCII)
_READS_VARS: Final = re.compile(
    r"\b(?:path_)?vars\s*\.\s*(?!(?:set|get|has|getAll)\b)[A-Za-z_]\w*\s*(?:[,;)}]|\+[^+=]|===?|!==?)", re.ASCII
)
"""`vars.name` where it is read for certain, unless the text holds one of the next."""
_MAY_CHANGE: Final = re.compile(
    r"[])}]\s*(?:\*\*|[-+*/%&|^?<>]{1,3})?=(?![=>])|\)\s*(?:\+\+|--)"
    r"|(?:\+\+|--)[\s(]*(?:path_)?vars\b|\bdelete\b",
    re.ASCII,
)
"""What stands at the target of an assignment that does not look like one: a pattern, parentheses."""


class Reach(NamedTuple):
    """What a text reaches."""

    names: tuple[str, ...]
    """Sorted."""
    rooms: tuple[str, ...]
    """Rooms that hold some of them."""
    changes_vars: bool
    """False: all the text does with `vars` is to read a property."""


class Names:
    """The names of one sandbox: all of nFlow's, and the functions of its plugins (`name` or `object.name`)."""

    __slots__ = ("_rooms", "_spelled", "_spelled_after_dots")

    def __init__(self, functions: Iterable[str] = ()) -> None:
        self._rooms = {function.removesuffix(WAITED).partition(".")[0]: "functions" for function in functions}
        self._rooms |= {name: room for room, names in ROOMS.items() for name in names}
        names = "|".join(map(re.escape, sorted(self._rooms, key=len, reverse=True)))
        name = rf"({names})(?![\w$])(?!://)"
        self._spelled = re.compile(rf"(?:(?<![\w$.])|(?<=\.\.\.)){name}", re.ASCII)
        self._spelled_after_dots = re.compile(rf"(?<![\w$]){name}", re.ASCII)

    def reach(self, source: str) -> Reach:
        """The globals this text may name. It reads strings and comments too: erring costs time, never a value."""
        if _ANY_NAME.search(source):
            names = {*OF_THE_RUN, *self._spelled_after_dots.findall(source)}
            changes_vars = True
        else:
            names = {*_OF_THE_RUN.findall(source), *self._spelled.findall(source)}
            reads = len(_READS_VARS.findall(source)) == len(_VARS.findall(source))
            changes_vars = not reads or _MAY_CHANGE.search(source) is not None
        rooms = {self._rooms[name] for name in names if name in self._rooms}
        return Reach(tuple(sorted(names)), tuple(sorted(rooms)), changes_vars)
