"""What we hand to Prometheus and Grafana asks for metrics there are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"
LISTED = set(re.findall(r"^\| `(\w+)", (DOCS / "observing.md").read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", ["grafana.json", "prometheus-rules.yml"])
def test_every_metric_that_is_asked_for_is_listed(name: str) -> None:
    text = (DOCS / "deploy" / name).read_text()
    asked = set(re.findall(r"\b((?:nflow|process)_\w+?)(?:_bucket|_sum|_count)?\b(?=[{\[)\s=<>])", text))
    assert len(asked) > 8
    assert not asked - LISTED


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    board = json.loads((DOCS / "deploy" / "grafana.json").read_text())
    assert (board["title"], board["schemaVersion"]) == ("nFlow Runtime", 39)
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert all(panel["targets"] and panel["gridPos"]["w"] for panel in panels)
    assert all(each["expr"].count("(") == each["expr"].count(")") for panel in panels for each in panel["targets"])
