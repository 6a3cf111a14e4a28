"""What is done about findings: blocks, refusals, what is let pass, what is remembered, and the list of the blocked."""

from __future__ import annotations

import pytest

from actors.guards.analysis.inspector import Inspector, InspectorSettings
from actors.guards.analysis.ledger import Ledger, ScriptPlace
from actors.guards.analysis.rules import rule_set
from protocol.formats import read
from protocol.formats.findings import ScriptBlocked, SecurityIssue

PLACE = ScriptPlace("shop", "Home", "n1", "drawflow.Home.data.n1.data.code")
EVIL = "function main() {\n  eval('1'); Function('2')\n}"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def inspector(**more: object) -> Inspector:
    clock = Clock()
    return Inspector(InspectorSettings(**more), wall=clock, clock=clock)  # type: ignore[arg-type]


def test_a_blocked_script_is_refused_in_the_words_of_go_and_every_asking_is_counted() -> None:
    judged = inspector()
    verdict = judged.script(EVIL, PLACE)
    assert verdict.refuse is not None
    refusal = verdict.refuse()
    assert isinstance(refusal, ScriptBlocked)
    assert str(refusal) == "script blocked due to security issues: 2 high severity issues found"
    assert [(each.type, each.line, each.column) for each in refusal.findings] == [
        ("eval_usage", 2, 3),
        ("function_constructor", 2, 14),
    ]
    verdict.refuse()
    (entry,) = judged.ledger.listing()
    assert entry["asked"] == 2
    assert (entry["app"], entry["flow"], entry["node"], entry["rule"]) == ("shop", "Home", "n1", "eval_usage")
    assert (entry["line"], entry["column"], len(entry["hash"])) == (2, 3, 64)
    assert "eval('1')" in entry["snippet"]


def test_a_medium_finding_warns_and_the_script_runs() -> None:
    verdict = inspector().script("while(true){}", PLACE)
    assert verdict.refuse is None
    (issue,) = verdict.issues
    assert not issue.fatal
    assert issue.path == PLACE.path


def test_at_a_save_a_block_is_an_error_and_without_blocking_it_is_a_warning() -> None:
    assert [issue.fatal for issue in inspector().script(EVIL, PLACE, "save").issues] == [True, True]
    assert [issue.fatal for issue in inspector().script(EVIL, PLACE, "load").issues] == [False, False]
    mild = inspector(block=False).script(EVIL, PLACE, "save")
    assert mild.refuse is None
    assert [issue.fatal for issue in mild.issues] == [False, False]


def test_what_is_allowed_is_counted_and_let_pass() -> None:
    judged = inspector(rules=rule_set({}, {}, ("eval_usage", "function_constructor")))
    verdict = judged.script(EVIL, PLACE)
    assert (verdict.issues, verdict.refuse, judged.ledger.listing()) == ((), None, [])
    assert judged.figures.high_severity_issues == 2


def test_equal_texts_are_looked_through_once_until_their_time_is_over() -> None:
    clock = Clock()
    judged = Inspector(InspectorSettings(keep_seconds=60.0), wall=clock, clock=clock)
    for node in ("a", "b"):
        assert judged.script(EVIL, PLACE._replace(node=node)).refuse is not None
    assert judged.figures.scripts_analyzed == 1
    clock.now += 61.0
    judged.script(EVIL, PLACE)
    assert judged.figures.scripts_analyzed == 2


def test_without_a_cache_every_script_is_looked_through() -> None:
    judged = inspector(keep_seconds=0.0)
    for _ in range(3):
        judged.script(EVIL, PLACE)
    assert judged.figures.scripts_analyzed == 3
    assert judged.figures.scripts_blocked == 1, "the same script at the same place"


def test_flows_keep_their_other_nodes_and_problems_name_rule_line_column_and_path() -> None:
    document = """{"drawflow": {"Home": {"data": {
        "s": {"data": {"type": "starter", "method": "GET", "urlpattern": "/x"},
              "outputs": {"output_1": {"connections": [{"node": "a"}]}}},
        "a": {"data": {"type": "js", "code": "function main() { return 1 }"}, "outputs": {}},
        "b": {"data": {"type": "js", "script": "evil"}, "outputs": {}}}}}}"""
    flows = read(document, "shop", {"evil": EVIL}).flows
    (flow,), problems = inspector().flows(flows, "save")
    blocked = {node.id: node.script.blocked is not None for node in flow.nodes.values() if node.script is not None}
    assert blocked == {"a": False, "b": True}
    first = problems[0]
    assert isinstance(first, SecurityIssue)
    assert first.finding is not None
    assert first.path == "drawflow.Home.data.b.data.script"
    for told in ("eval_usage", "line 2", "column 3"):
        assert told in first.message
    assert first.script == "shop/Home/b"


def test_a_document_of_nothing_but_findings_is_told_in_reason() -> None:
    nodes = ",".join(
        f'"n{n}": {{"data": {{"type": "js", "code": "function main() {{ eval({n}); eval(1) }}"}}, "outputs": {{}}}}'
        for n in range(300)
    )
    flows = read(f'{{"drawflow": {{"Home": {{"data": {{{nodes}}}}}}}}}', "shop").flows
    _, problems = inspector().flows(flows, "save")
    assert len(problems) == 201
    assert "400 more findings" in problems[-1].message


@pytest.mark.parametrize("most", [1, 3])
def test_the_list_is_bounded_and_has_the_latest_first(most: int) -> None:
    ledger = Ledger(lambda: 0.0, most)
    findings = ScriptBlocked(inspector().script(EVIL, PLACE).refuse().findings).findings  # type: ignore[misc,attr-defined]
    for number in range(5):
        ledger.enter(PLACE._replace(node=str(number)), "0" * 64, findings, "load")
    assert [entry["node"] for entry in ledger.listing()] == [str(4 - number) for number in range(most)]


def test_an_entry_that_is_refused_again_comes_first_and_keeps_its_count() -> None:
    judged = inspector()
    first = judged.script(EVIL, PLACE)
    judged.script(EVIL, PLACE._replace(node="other"))
    assert first.refuse is not None
    first.refuse()
    judged.script(EVIL, PLACE)
    assert [(entry["node"], entry["asked"]) for entry in judged.ledger.listing()] == [("n1", 1), ("other", 0)]
