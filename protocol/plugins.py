"""The conversation between the gateway and plugins, and how a plugin's failure is told.

Whatever goes wrong inside a plugin is the error of the call that met it: `PluginFailed` says which function and what
kind of error, never the error's own text, which may hold anything; that is in the log. What a plugin's author wants the
caller to read is raised as a `CallRefused`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from protocol.errors import CallRefused, Refusal
from protocol.process import Request


class PluginFailed(CallRefused):
    """The plugin failed at this call."""

    def __init__(self, message: str = "", *, name: str = "PluginError") -> None:
        super().__init__(message, name=name)


class NoSuchAction(Refusal):
    """There is no such plugin, or it has no such action."""


@dataclass(frozen=True, slots=True)
class ActionCaller:
    """Who asks for an action over HTTP."""

    request: Request
    tenant: str = "default"
    who: str = ""
    """The name of the token that was shown; empty: none was."""
    key: str = ""
    """The client's `Idempotency-Key`; empty: none."""


@dataclass(frozen=True, slots=True)
class ActionInfo:
    """One action, as it stands in the API's description."""

    plugin: str
    name: str
    summary: str
    """First line of the docstring."""
    description: str
    """The rest of it."""
    input_schema: dict[str, Any] | None
    """JSON Schema of the body; None: any JSON value, or none at all."""
    output_schema: dict[str, Any] | None
