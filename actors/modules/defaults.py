"""The default modules by name: their source, and what the designer must know to show them (Go: nflow/init.sql).

Each source is a `.js` file beside this one, our own code for the behaviour of nFlow's; it runs in the sandbox like any
script. `Validate Login` differs on purpose: it checks the password, and redirects within this server only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from protocol.formats.script import NODE_SCRIPT

_HERE: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class DefaultModule:
    """A module that is there without a database."""

    name: str
    source: str
    manifest: Mapping[str, Any]
    """The column `mod`: title, in, out, icon, boxcolor, fontcolor, custom, editable, hide, param."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """One file of this room, and how its box is drawn."""

    file: str
    title: str
    outputs: int
    icon: str
    parameters: tuple[tuple[str, str], ...] = ()
    """Name of a parameter → its default."""
    inputs: int = 1
    colour: str = "#3f6ad8"
    hide: bool = False


_SMS: Final = "#f22f46"
_GATE: Final = "#d92550"
_FLOW: Final = "#f7b924"
_PAGE: Final = "#3ac47d"
_FOREACH: Final = (("field", ""), ("item_name", "item"))

_KINDS: Final[Mapping[str, _Kind]] = MappingProxyType(
    {
        "json": _Kind("json", "JSON", 0, "fas fa-code", (("field", ""), ("http_code", "200")), colour=_PAGE),
        "form": _Kind("form", "Form", 1, "fab fa-wpforms", (("html_form", ""), ("template", "")), colour=_PAGE),
        "if_equals": _Kind("if_equals", "If equals", 2, "fas fa-equals", (("field", ""), ("value", "")), colour=_FLOW),
        "if_major": _Kind(
            "if_major", "If greater", 2, "fas fa-greater-than", (("field", ""), ("limit", "0")), colour=_FLOW
        ),
        "js_set_var": _Kind("js_set_var", "Set variable", 1, "fas fa-pen", (("var_name", ""), ("var_value", ""))),
        "js_foreach": _Kind("js_foreach", "For each", 2, "fas fa-redo", _FOREACH, colour=_FLOW),
        "_js_foreach": _Kind("js_foreach", "For each", 2, "fas fa-redo", _FOREACH, colour=_FLOW, hide=True),
        "parser_query_param": _Kind("parser_query_param", "Query to payload", 1, "fas fa-question"),
        "mustache": _Kind("mustache", "Mustache", 0, "fas fa-file-alt", (("template", ""),), colour=_PAGE),
        "template": _Kind("template", "Template", 0, "fas fa-file-code", (("template", ""),), colour=_PAGE),
        "Validate Login": _Kind("validate_login", "Validate login", 0, "fas fa-user-check", colour=_GATE),
        "ValidateToken1": _Kind("validate_token", "Validate token", 1, "fas fa-key", colour=_GATE),
        "Logout": _Kind("logout", "Logout", 1, "fas fa-sign-out-alt", colour=_GATE),
        "_end": _Kind("end", "End", 0, "fas fa-stop", colour=_PAGE),
        "twilio_send_sms": _Kind("twilio_send_sms", "Send SMS", 2, "fas fa-sms", (("variable", "phone"),), colour=_SMS),
        "twilio_validate_sms": _Kind(
            "twilio_validate_sms", "Validate SMS", 2, "fas fa-check", (("variable", "code"),), colour=_SMS
        ),
    }
)


def default_modules() -> Mapping[str, DefaultModule]:
    """Every default module by its name. Reads the files of this room: call it once, at start."""
    return {name: DefaultModule(name, _source(kind.file), _manifest(name, kind)) for name, kind in _KINDS.items()}


def default_sources() -> Mapping[str, str]:
    """Name → source, as the graph compiler takes modules; the node type `template` among them."""
    named = {name: _source(kind.file) for name, kind in _KINDS.items()}
    return named | {NODE_SCRIPT + "template": template_node_source()}


def template_node_source() -> str:
    """The script of the manuals' node kind `template`, which is no module but has the same ways."""
    return _source("template_node")


def _source(file: str) -> str:
    return (_HERE / f"{file}.js").read_text("utf-8")


def _manifest(name: str, kind: _Kind) -> Mapping[str, Any]:
    return {
        "title": kind.title,
        "in": kind.inputs,
        "out": kind.outputs,
        "icon": kind.icon,
        "boxcolor": kind.colour,
        "fontcolor": "#ffffff",
        "custom": False,
        "editable": False,
        "hide": kind.hide,
        "param": {"type": "js", "script": name, **dict(kind.parameters)},
    }
