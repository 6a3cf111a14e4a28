"""`POST /api/plugin/{plugin}/{action}`: the actions that plugins offer over HTTP (nFlow manual).

A plugin's own failure is its caller's error, 502 with its message: never a traceback, never the server's end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import structlog

from gateway.api.call import ApiAnswer, ApiError, Call
from gateway.api.table import Auth, Route
from gateway.translate import parse_query
from protocol.errors import AskError, CallRefused, LimitExceeded, NflowError
from protocol.plugins import ActionCaller, ActionInfo, NoSuchAction
from protocol.process import Request

CALL_PLUGIN: Final = "callPlugin"
_MOST_MESSAGE: Final = 500


class PluginActions(Protocol):
    """The plugins, as this door knows them."""

    def actions(self) -> Sequence[ActionInfo]:
        """Everything they offer."""

    async def act(self, plugin: str, action: str, body: Any, caller: ActionCaller) -> Any:
        """Do it, within its deadline. `body`: a JSON value, None for no body. Returns a JSON value.

        Raises NoSuchAction, BadDocument for a body the action does not take, CallRefused for what the plugin refuses or
        fails at, LimitExceeded or Expired when it takes too long, Unavailable, Overloaded.
        """


class PluginEndpoints:
    """The family of plugins."""

    def __init__(self, plugins: PluginActions | None) -> None:
        """`plugins` None: there are none."""
        self._plugins = plugins
        self._log = structlog.get_logger("plugins")

    def routes(self) -> tuple[Route, ...]:
        """Its routes."""
        return (
            Route(
                "POST", "/api/plugin/{plugin}/{action}", CALL_PLUGIN, "Have a plugin do one of its actions", self.act,
                "plugins", Auth.EXECUTION, {200: ("What the action returned", "PluginOutput")},
                (400, 401, 404, 408, 413, 502, 503), body="PluginInput",
            ),
        )  # fmt: skip

    async def act(self, call: Call) -> ApiAnswer:
        """Ask the plugin."""
        plugin, action = call.variables["plugin"], call.variables["action"]
        if self._plugins is None:
            raise _missing(plugin, action)
        body = call.json() if call.body else None
        try:
            return ApiAnswer.of(await self._plugins.act(plugin, action, body, _caller(call)))
        except NoSuchAction:
            raise _missing(plugin, action) from None
        except CallRefused as error:
            raise _failed(plugin, action, str(error)) from None
        except (AskError, LimitExceeded) as error:
            self._log.warning("action failed", plugin=plugin, action=action, error=str(error))
            raise _failed(plugin, action, "it took too long, or broke off") from None
        except NflowError:
            raise
        except Exception as error:
            self._log.exception("action failed", plugin=plugin, action=action)
            raise _failed(plugin, action, type(error).__name__) from None


def _caller(call: Call) -> ActionCaller:
    headers = tuple(line for line in call.headers if line[0].lower() != b"authorization")
    request = Request(
        "POST", call.path, call.query, parse_query(call.query), (), headers, call.body, call.remote, call.origin.scheme,
        client=call.origin.client,
    )  # fmt: skip
    return ActionCaller(request, who=call.token.name, key=request.header(b"idempotency-key")[:200])


def _missing(plugin: str, action: str) -> ApiError:
    return ApiError(404, f"there is no action {action[:80]!r} of a plugin {plugin[:80]!r}")


def _failed(plugin: str, action: str, why: str) -> ApiError:
    return ApiError(502, f"plugin {plugin}, action {action}: {why[:_MOST_MESSAGE]}")
