"""Node kind `dromedary`: the plugin named by `dromedary_name` does the node (Go: step_plugin.go).

    {"type": "dromedary", "dromedary_name": "greeter"}

The plugin's `run` takes the payload, and the context with the node's parameters and the captured path segments; it
returns the payload that goes on at `output_1`, or names another output. What it refuses is the node's failure (500 with
`{"message"}`, as in Go); a plugin that is not there is named, with those that are.
"""

from __future__ import annotations

from actors.nodes.registry import NodeContext, Outcome
from actors.plugins.plugins import Plugins
from protocol.errors import CallRefused, NodeError
from protocol.flow import Node
from protocol.plugins import PluginFailed


class Dromedary:
    """The kind over all plugins."""

    __slots__ = ("_plugins",)

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins

    async def run(self, node: Node, context: NodeContext) -> Outcome:
        """Have the plugin do it. Raises NodeError, PluginFailed, Unavailable."""
        try:
            return await self._plugins.run(plugin_name(node), node, context)
        except PluginFailed:
            raise
        except CallRefused as error:
            raise PluginFailed(str(error), name=error.name) from None


def plugin_name(node: Node) -> str:
    """The plugin a node names. Raises NodeError."""
    name = node.data.get("dromedary_name")
    if not isinstance(name, str) or not name:
        raise NodeError(f"a {node.kind} node needs `dromedary_name`, the name of a plugin")
    return name
