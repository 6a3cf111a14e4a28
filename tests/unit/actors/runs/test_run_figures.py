"""How long flows and nodes take: told apart up to a bound, never lost."""

from __future__ import annotations

from actors.runs.figures import MOST_FLOWS, MOST_NODES, RunFigures
from protocol.flow import Flow, Node
from protocol.observation.metrics import OTHER, Durations, Summary


def node(id_: str, kind: str = "js") -> Node:
    return Node(id_, kind, "", {}, {})


def flow(name: str) -> Flow:
    return Flow("app", name, {}, (), "hash")


def test_flows_and_nodes_are_told_apart_up_to_a_bound_and_every_visit_is_counted() -> None:
    figures = RunFigures()
    for number in range(2 * MOST_FLOWS):
        mine = figures.flow(flow(f"flow{number}"))
        for which in range(10):
            mine.node(node(f"n{which}", f"kind{number}"), 0.01, failed=which == 0)
        mine.ended(0.1, well=bool(number % 2))
    told = {family.name: dict(family.rows) for family in figures.families()}
    flows = told["nflow_flow_duration_seconds"]
    assert len(flows) == MOST_FLOWS + 1
    assert (OTHER, OTHER) in flows
    assert sum(each.count for each in flows.values() if isinstance(each, Durations)) == 2 * MOST_FLOWS
    nodes = told["nflow_flow_node_duration_seconds"]
    assert len(nodes) <= MOST_NODES + MOST_FLOWS + 1
    assert sum(each.number for each in nodes.values() if isinstance(each, Summary)) == 20 * MOST_FLOWS
    assert sum(told["nflow_flow_node_failures"].values()) == 2 * MOST_FLOWS
    assert sum(told["nflow_flow_failures"].values()) == MOST_FLOWS
    kinds = told["nflow_node_duration_seconds"]
    assert len(kinds) <= 51
    assert sum(each.count for each in kinds.values() if isinstance(each, Durations)) == 20 * MOST_FLOWS


def test_versions_of_a_flow_share_their_numbers() -> None:
    figures = RunFigures()
    figures.flow(flow("a")).ended(0.1, well=True)
    figures.flow(Flow("app", "a", {}, (), "other hash")).ended(0.1, well=True)
    (family,) = [each for each in figures.families() if each.name == "nflow_flow_duration_seconds"]
    assert [(key, each.count) for key, each in family.rows if isinstance(each, Durations)] == [(("app", "a"), 2)]
