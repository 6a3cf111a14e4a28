"""The door to all plugins: what scripts, nodes, logins and the HTTP API reach of them.

What is there is known from the beginning, so it can be built into sandboxes, flows and the API's description before
anything is started; a call into a plugin that is not up is `Unavailable`. Each plugin has a keeper (`keeper.py`), which
starts and closes it.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from actors.functions.caller import Caller, Functions, HostFunction
from actors.kernel import ChildSpec, Intensity, Supervisor
from actors.nodes.registry import NodeContext, NodeKind, Outcome, Registry
from actors.plugins.author.context import Context
from actors.plugins.author.results import NodeResult, Redirect, Response, User
from actors.plugins.callbacks import Listening
from actors.plugins.entry import Entry
from actors.plugins.keeper import keeper_spec
from actors.plugins.live import LivePlugin, PluginLimits
from actors.plugins.roster import Roster
from actors.runs.entrance import Authenticator, Verdict
from actors.sessions.lone import LoneSession
from protocol.codec import loads, loads_from_script
from protocol.errors import NodeError
from protocol.flow import Node
from protocol.plugins import ActionCaller, ActionInfo, NoSuchAction, PluginFailed
from protocol.sandbox import WAITED

_DEFAULT_LIMITS: Final = PluginLimits()
_CALM: Final = Intensity(5, 10.0)


class PluginState(NamedTuple):
    """One plugin, for operators."""

    name: str
    origin: str
    trouble: str
    """Why it cannot be called; empty: it can."""
    calls: int
    failures: int


class Plugins:
    """All plugins of one runtime."""

    def __init__(self, roster: Roster, limits: PluginLimits = _DEFAULT_LIMITS) -> None:
        """Raises BadDocument when the roster has a fault."""
        self._plugins = {member.description.name: LivePlugin(member, limits) for member in roster.whole().members}
        self._limits = limits

    @property
    def names(self) -> tuple[str, ...]:
        """In the order in which they start."""
        return tuple(self._plugins)

    @property
    def states(self) -> tuple[PluginState, ...]:
        """For operators."""
        return tuple(
            PluginState(each.name, each.description.origin, each.trouble, each.calls, each.failures)
            for each in self._plugins.values()
        )

    def children(self) -> list[ChildSpec]:
        """The keepers, for a supervisor that starts them in order and stops them in reverse."""
        return [keeper_spec(each) for each in self._plugins.values()]

    def child(self) -> ChildSpec:
        """That supervisor."""
        keepers = self.children()
        return ChildSpec("plugins", lambda: Supervisor(keepers, intensity=_CALM), shutdown_seconds=math.inf)

    # --- for scripts ---

    def script_names(self) -> tuple[str, ...]:
        """What sandboxes must know (`Limits.functions`), sorted. A plain `def` gives its caller a value, as the manual
        shows it; an `async def` a promise."""
        return tuple(
            sorted(
                name + WAITED * entry.threaded
                for each in self._plugins.values()
                for name, entry in each.description.functions.items()
            )
        )

    def functions(self) -> Functions:
        """By the names the calls carry."""
        return {
            name: _host_function(each, entry)
            for each in self._plugins.values()
            for name, entry in each.description.functions.items()
        }

    # --- for nodes ---

    def kinds(self) -> Registry:
        """Node types that are plugins' own."""
        return {
            kind: _node_kind(each, entry)
            for each in self._plugins.values()
            for kind, entry in each.description.nodes.items()
        }

    async def run(self, name: str, node: Node, context: NodeContext) -> Outcome:
        """The plugin's `run`. Raises NodeError for one that is not there, or has none."""
        each, entry = self._with(name, "run")
        return await _done(each, entry, node, context)

    def check_callbacks(self, name: str) -> None:
        """Raises NodeError when there is no such plugin, or it never calls back; Unavailable when it is not up."""
        self._with(name, "callbacks")[0].home()

    def listen(self, name: str, node: Node, context: NodeContext) -> Listening:
        """The plugin's callbacks, to be used as `async with`. Raises NodeError, Unavailable."""
        each, entry = self._with(name, "callbacks")
        payload = loads_from_script(context.payload)
        told = Context(_caller(context), each.home(), self._limits.node_seconds, node.data, payload)
        return Listening(each, entry, payload, told)

    def _with(self, name: str, part: Literal["run", "callbacks"]) -> tuple[LivePlugin, Entry]:
        able = {
            key: (each, entry)
            for key, each in self._plugins.items()
            if (entry := each.description.run if part == "run" else each.description.callbacks) is not None
        }
        if name in able:
            return able[name]
        lacks = f"plugin {name} has no {part}" if name in self._plugins else f"there is no plugin {name!r}"
        raise NodeError(f"{lacks}; plugins with {part}: {', '.join(sorted(able)) or 'none'}")

    # --- for logins ---

    def authenticator(self) -> Authenticator | None:
        """What takes the place of `auth()`, if some plugin does."""
        for each in self._plugins.values():
            if each.description.authenticate is not None:
                return _authenticator(each, each.description.authenticate)
        return None

    # --- for clients ---

    def actions(self) -> tuple[ActionInfo, ...]:
        """All actions, for the API's description."""
        return tuple(
            action_info(each.name, name, entry)
            for each in self._plugins.values()
            for name, entry in each.description.actions.items()
        )

    async def act(self, plugin: str, action: str, body: Any, caller: ActionCaller) -> Any:
        """Do an action: a JSON value. `body`: the request's JSON value, None without one.

        Raises NoSuchAction, BadDocument (the body does not fit, with paths), CallRefused (the plugin's own no),
        PluginFailed, Unavailable, Overloaded.
        """
        each = self._plugins.get(plugin)
        entry = each.description.actions.get(action) if each is not None else None
        if each is None or entry is None:
            raise NoSuchAction(f"there is no action {action!r} of a plugin {plugin!r}")
        home = each.home()
        if entry.input is not None:
            body = entry.input.value(body, "body")
        seconds = entry.seconds or self._limits.call_seconds
        seen = Caller("", caller.tenant, "", "", "", caller.request, LoneSession(), seconds, key=caller.key)
        arguments = (body,) if entry.fits(1) else ()
        return each.value(entry.name, await each.call(entry, arguments, Context(seen, home, seconds)))


def action_info(plugin: str, name: str, entry: Entry) -> ActionInfo:
    """An action as its docstring and its types describe it."""
    summary, _, rest = (inspect.getdoc(entry.function) or "").partition("\n")
    taken, given = entry.input, entry.output
    return ActionInfo(
        plugin, name, summary.strip(), rest.strip(),
        taken.schema if taken is not None else None, given.schema if given is not None else None,
    )  # fmt: skip


def _host_function(each: LivePlugin, entry: Entry) -> HostFunction:
    async def called(caller: Caller, arguments: list[Any]) -> Any:
        seconds = min(caller.seconds, entry.seconds or caller.seconds)
        context = Context(caller, each.home(), seconds)
        return each.value(entry.name, await each.call(entry, arguments, context))

    return called


def _node_kind(each: LivePlugin, entry: Entry) -> NodeKind:
    async def done(node: Node, context: NodeContext) -> Outcome:
        return await _done(each, entry, node, context)

    return done


async def _done(each: LivePlugin, entry: Entry, node: Node, context: NodeContext) -> Outcome:
    payload = loads_from_script(context.payload)
    seconds = entry.seconds or each.limits.node_seconds
    told = Context(_caller(context), each.home(), seconds, node.data, payload)
    result = await each.call(entry, (payload,), told)
    match result:
        case None:
            result = NodeResult(payload)
        case (value, str(output)) if isinstance(result, tuple):
            result = NodeResult(value, output)
        case tuple():
            raise PluginFailed(f"{entry.name} returned a tuple that is not (payload, output)")
        case NodeResult():
            pass
        case Response():
            result = NodeResult(payload, response=result)
        case _:
            result = NodeResult(result)
    return _outcome(each, entry, result)


def _outcome(each: LivePlugin, entry: Entry, result: NodeResult) -> Outcome:
    if not isinstance(result.output, str):
        raise PluginFailed(f"{entry.name} named an output that is no text")
    answer = None
    if result.response is not None:
        try:
            answer = result.response.answer()
        except Exception as error:
            raise PluginFailed(f"{entry.name} answered what cannot be sent: {error}") from None
    return Outcome(each.json(entry.name, result.payload), result.output, answer)


def _authenticator(each: LivePlugin, entry: Entry) -> Authenticator:
    async def judged(caller: Caller) -> Verdict:
        context = Context(caller, each.home(), caller.seconds)
        answer = await each.call(entry, (context.request,), context)
        match answer:
            case None:
                return Verdict(False)
            case User(profile) if isinstance(profile, Mapping):
                return Verdict(True, loads(each.json(entry.name, dict(profile))))
            case Redirect(str(location)) if location and not any(letter in location for letter in "\r\n\0"):
                return Verdict(False, redirect=location)
            case _:  # never let in by mistake
                raise PluginFailed(f"{entry.name} returned neither a User nor a Redirect nor None")

    return judged


def _caller(context: NodeContext) -> Caller:
    if context.caller is None:
        raise NodeError("this node can be done in a run only")
    return context.caller
