"""What runs count of themselves: how long each flow and each node takes. Plain numbers on the hot path.

Invariant: never more than `MOST_FLOWS` flows and `MOST_NODES` nodes are told apart, whatever is installed over time;
later ones share `(other)`. A run looks its flow up once; after that a node costs one look into a dict and four
additions, made for many at once. The metrics page reads them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from protocol.flow import Flow, Node
from protocol.observation.metrics import OTHER, Bounded, Durations, Family, Summary

MOST_FLOWS: Final = 200
MOST_NODES: Final = 1_000
MOST_KINDS: Final = 50
MOST_WAITING: Final = 256
"""Visits and runs that are counted together: a crowd costs a third of what they cost one by one between other work."""


class NodeFigures:
    """One node of a flow."""

    __slots__ = ("count", "failed", "kind", "seconds", "times")

    def __init__(self, kind: str, times: Durations) -> None:
        self.kind = kind
        self.times = times
        """Of all nodes of this kind."""
        self.count = 0
        self.failed = 0
        self.seconds = 0.0

    def add(self, seconds: float, *, failed: bool) -> None:
        """One visit is over."""
        self.count += 1
        self.seconds += seconds
        self.failed += failed
        self.times.add(seconds)


class FlowFigures:
    """One flow."""

    __slots__ = ("_make", "durations", "failed", "nodes")

    def __init__(self, make: RunFigures) -> None:
        self._make = make
        self.durations = Durations()
        self.failed = 0
        """Runs that did not end well."""
        self.nodes: dict[str, NodeFigures] = {}
        """By node id."""

    def ended(self, seconds: float, *, well: bool) -> None:
        """A run is over."""
        self._make.wait(self, None, seconds, not well)

    def node(self, node: Node, seconds: float, *, failed: bool) -> None:
        """A visit of a node is over."""
        self._make.wait(self, node, seconds, failed)

    def count(self, node: Node | None, seconds: float, failed: bool) -> None:
        """Count one of them. `node` None: the run."""
        if node is None:
            self.durations.add(seconds)
            self.failed += failed
            return
        mine = self.nodes.get(node.id)
        if mine is None:
            mine = self._make.node(self, node)
        mine.add(seconds, failed=failed)


class RunFigures:
    """The numbers of all runs."""

    __slots__ = ("_flows", "_kinds", "_nodes", "_waiting")

    def __init__(self) -> None:
        rest = OTHER, OTHER
        self._flows: Bounded[tuple[str, str], FlowFigures] = Bounded(lambda: FlowFigures(self), MOST_FLOWS, rest)
        self._kinds: Bounded[str, Durations] = Bounded(Durations, MOST_KINDS, OTHER)
        self._nodes = 0
        self._waiting: list[tuple[FlowFigures, Node | None, float, bool]] = []

    def wait(self, figures: FlowFigures, node: Node | None, seconds: float, failed: bool) -> None:
        """Something of a flow is over, and to be counted."""
        self._waiting.append((figures, node, seconds, failed))
        if len(self._waiting) >= MOST_WAITING:
            self.count()

    def count(self) -> None:
        """Count what waits."""
        waiting, self._waiting = self._waiting, []
        for figures, node, seconds, failed in waiting:
            figures.count(node, seconds, failed)

    def flow(self, flow: Flow) -> FlowFigures:
        """The numbers of a flow, whatever its version."""
        return self._flows.get((flow.app, flow.name))

    def node(self, figures: FlowFigures, node: Node) -> NodeFigures:
        """New numbers for a node of the flow; the flow's shared ones when there are too many."""
        id_, kind = node.id, node.kind
        if self._nodes >= MOST_NODES or len(figures.nodes) >= MOST_NODES // 4:
            id_ = kind = OTHER
            if id_ in figures.nodes:
                return figures.nodes[id_]
        self._nodes += 1
        made = figures.nodes[id_] = NodeFigures(kind, self._kinds.get(node.kind))
        return made

    def families(self) -> Iterable[Family]:
        """For the metrics page."""
        self.count()
        flows = sorted(self._flows.of.items())
        yield Family(
            "nflow_flow_duration_seconds", "histogram", "Time from the begin to the end of a run, by flow",
            ("app", "flow"), [(key, each.durations) for key, each in flows],
        )  # fmt: skip
        yield Family(
            "nflow_flow_failures", "counter", "Runs that did not end well, by flow", ("app", "flow"),
            [(key, each.failed) for key, each in flows],
        )  # fmt: skip
        nodes = [((*key, id_, node.kind), node) for key, each in flows for id_, node in sorted(each.nodes.items())]
        labels = "app", "flow", "node", "kind"
        yield Family(
            "nflow_node_duration_seconds", "histogram", "Time of one visit of a node, by kind", ("kind",),
            [((kind,), times) for kind, times in sorted(self._kinds.of.items())],
        )  # fmt: skip
        yield Family(
            "nflow_flow_node_duration_seconds", "summary", "Time of one visit of a node, by flow and node", labels,
            [(key, Summary(node.count, node.seconds)) for key, node in nodes],
        )  # fmt: skip
        yield Family(
            "nflow_flow_node_failures", "counter", "Visits of a node that failed", labels,
            [(key, node.failed) for key, node in nodes],
        )  # fmt: skip
