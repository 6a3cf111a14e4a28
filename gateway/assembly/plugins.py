"""Plugins, from settings: found, loaded, looked at. What the `nflow plugins` command says of them is made here too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import structlog

from actors.nodes.dromedary import Dromedary
from actors.nodes.dromedary_callback import DromedaryCallback
from actors.nodes.registry import Registry
from actors.plugins.description import Description
from actors.plugins.live import PluginLimits
from actors.plugins.plugins import Plugins, action_info
from actors.plugins.roster import Order, Roster, roster
from protocol.settings import Settings


def make_plugins(settings: Settings, given: Sequence[Any] = ()) -> Plugins:
    """The plugins of a runtime. `given`: those a program hands in.

    Raises BadDocument with everything for which the server must not start.
    """
    server, plugin = settings.server, settings.plugin
    limits = PluginLimits(
        call_seconds=server.host_call_seconds,
        node_seconds=server.process_seconds,
        start_seconds=plugin.start_seconds,
        close_seconds=plugin.close_seconds,
        threads=plugin.threads,
        waiting=8 * plugin.threads,
    )
    found = plugin_roster(settings, given)
    plugins = Plugins(found, limits)
    for problem in found.problems:  # no errors, for those it raised
        structlog.get_logger("plugins").warning("plugins", problem=str(problem))
    return plugins


def plugin_kinds(plugins: Plugins, process_seconds: float) -> Registry:
    """The types of nodes that plugins do."""
    return {
        "dromedary": Dromedary(plugins).run,
        "dromedary_callback": DromedaryCallback(plugins, process_seconds).run,
        **plugins.kinds(),
    }


def plugin_roster(settings: Settings, given: Sequence[Any] = ()) -> Roster:
    """The plugins with their faults."""
    plugin = settings.plugin
    folder = Path(plugin.folder) if plugin.folder else None
    return roster(Order(plugin.plugins, folder, plugin.model_extra or {}, given))


def listing(found: Roster) -> Iterator[str]:
    """The plugins for people, a line for each thing they offer."""
    for described in found.described:
        yield f"{described.name}  ({described.origin})"
        offers = list(_offers(described))
        if not offers and not described.problems:
            offers = [
                "nothing: no method is tagged @function, @node or @action, or called run, callbacks or authenticate"
            ]
        yield from (f"  {line}" for line in offers)
    if not found.described:
        yield "no plugins"


def _offers(described: Description) -> Iterator[str]:
    for name, entry in described.functions.items():
        yield f"function  {name}{entry.signature if entry.signature is not None else '(…)'}"
    for kind in described.nodes:
        yield f"node      {kind}"
    for name, entry in described.actions.items():
        info = action_info(described.name, name, entry)
        told = f"  {info.summary}" if info.summary else ""
        yield f"action    POST /api/plugin/{described.name}/{name}{told}"
    if described.run is not None:
        yield "run       nodes of type dromedary"
    if described.callbacks is not None:
        yield "callbacks nodes of type dromedary_callback"
    if described.authenticate is not None:
        yield "login     in the place of auth()"
