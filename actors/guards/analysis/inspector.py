"""What is done about findings: which scripts are blocked, which are only warned of, and what is counted.

Asked when documents are compiled or saved, never by a request: a blocked script carries its refusal. Results are kept
by the hash of the text, bounded and for a time. Called from any thread; analysis of one text at a time.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from actors.guards.analysis.analyzer import Analyzer
from actors.guards.analysis.ledger import Ledger, Occasion, ScriptPlace
from actors.guards.analysis.rules import RuleSet
from protocol.errors import Problem, Refusal
from protocol.flow import Flow, Node
from protocol.formats.findings import Finding, SecurityIssue
from protocol.observation.metrics import Family, counter

MOST_KEPT: Final = 1_000
"""Texts whose findings are remembered."""
MOST_TOLD: Final = 200
"""Findings told of one document."""


@dataclass(frozen=True, slots=True)
class InspectorSettings:
    """`[security]`, of analysis."""

    rules: RuleSet = field(default_factory=RuleSet)
    block: bool = True
    """`block_on_high_severity`."""
    log: bool = True
    """`log_security_warnings`."""
    keep_seconds: float = 300.0
    """`cache_ttl_minutes`; 0: nothing is kept (`cache_analysis_results = false`)."""


@dataclass(slots=True)
class AnalysisFigures:
    """Numbers for the metrics, named as nFlow's (Go: security metrics)."""

    scripts_analyzed: int = 0
    scripts_blocked: int = 0
    high_severity_issues: int = 0
    medium_severity_issues: int = 0
    low_severity_issues: int = 0
    analysis_time: float = 0.0
    """Seconds, altogether."""


class Verdict(NamedTuple):
    """What is to be done with one script."""

    issues: tuple[SecurityIssue, ...]
    """What is told of it; fatal are those for which it is refused, at a save."""
    refuse: Callable[[], Refusal] | None
    """Asked for a refusal instead of running it."""


class Inspector:
    """The rules of one runtime, and what they found."""

    def __init__(
        self,
        settings: InspectorSettings,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`wall`: Unix time, for the ledger; `clock`: seconds, for what is kept."""
        self.settings = settings
        self.ledger = Ledger(wall)
        self.figures = AnalysisFigures()
        self._analyzer = Analyzer(settings.rules)
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, tuple[Finding, ...]]] = OrderedDict()

    def flows(self, flows: tuple[Flow, ...], occasion: Occasion = "load") -> tuple[tuple[Flow, ...], list[Problem]]:
        """The flows with their blocked scripts marked, and what is to be told. At a save, a block is an error."""
        problems: list[Problem] = []
        looked = tuple(self._flow(flow, occasion, problems) for flow in flows)
        if len(problems) > MOST_TOLD:
            problems.sort(key=lambda problem: not problem.fatal)
            more = Problem("document", f"and {len(problems) - MOST_TOLD} more findings", problems[MOST_TOLD].fatal)
            problems[MOST_TOLD:] = [more]
        return looked, problems

    def script(self, text: str, place: ScriptPlace, occasion: Occasion = "load") -> Verdict:
        """Judge one script."""
        rules = self.settings.rules
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        findings = [each for each in self._findings(digest, text) if each.type not in rules.allowed]
        high = [finding for finding in findings if finding.severity == "high"] if self.settings.block else []
        refuse = None
        if high:
            entry, new = self.ledger.enter(place, digest, high, occasion)
            refuse = entry.refuse
            if new:
                with self._lock:
                    self.figures.scripts_blocked += 1
        issues = tuple(_issue(place, each, blocks=each in high, occasion=occasion) for each in findings)
        return Verdict(issues, refuse)

    def families(self) -> tuple[Family, ...]:
        """The numbers, for the metrics page (nFlow manual)."""
        figures = self.figures
        levels = (("high",), ("medium",), ("low",))
        found = (figures.high_severity_issues, figures.medium_severity_issues, figures.low_severity_issues)
        return (
            counter("nflow_security_scripts_analyzed", "Scripts looked through", figures.scripts_analyzed),
            counter("nflow_security_scripts_blocked", "Scripts refused for a finding", figures.scripts_blocked),
            counter("nflow_security_analysis_seconds", "Time spent looking", figures.analysis_time),
            Family(
                "nflow_security_issues", "counter", "Findings, by severity", ("severity",),
                list(zip(levels, found, strict=True)),
            ),
        )  # fmt: skip

    def _flow(self, flow: Flow, occasion: Occasion, problems: list[Problem]) -> Flow:
        blocked: dict[str, Node] = {}
        for node in flow.nodes.values():
            script = node.script
            if script is None:
                continue
            place = ScriptPlace(flow.app, flow.name, node.id, script.path)
            verdict = self.script(script.source, place, occasion)
            problems += verdict.issues
            if verdict.refuse is not None:
                blocked[node.id] = replace(node, script=replace(script, blocked=verdict.refuse))
        return replace(flow, nodes={**flow.nodes, **blocked}) if blocked else flow

    def _findings(self, digest: str, text: str) -> tuple[Finding, ...]:
        with self._lock:
            kept = self._kept.get(digest)
            if kept is not None and self._clock() < kept[0]:
                self._kept.move_to_end(digest)
                return kept[1]
            began = time.perf_counter()
            findings = self._analyzer.analyze(text)
            figures = self.figures
            figures.analysis_time += time.perf_counter() - began
            figures.scripts_analyzed += 1
            for finding in findings:
                count = f"{finding.severity}_severity_issues"
                setattr(figures, count, getattr(figures, count) + 1)
            if self.settings.keep_seconds > 0:
                self._kept[digest] = (self._clock() + self.settings.keep_seconds, findings)
                self._kept.move_to_end(digest)
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
            return findings


def warning_line(issue: SecurityIssue, finding: Finding) -> str:
    """The log line about a finding, in nFlow's words."""
    return f"Security issue in script {issue.script}: [{finding.severity}] {finding.description} at line {finding.line}"


def _issue(place: ScriptPlace, finding: Finding, *, blocks: bool, occasion: Occasion) -> SecurityIssue:
    words = (
        f"{finding.type} ({finding.severity}) at line {finding.line}, column {finding.column}: {finding.description}"
    )
    if blocks and occasion == "load":
        words += "; the script is blocked: it is not run"
    elif blocks:
        words += "; a script with a finding of high severity is refused (security.block_on_high_severity)"
    return SecurityIssue(place.path, words, blocks and occasion == "save", place.name, finding, blocks)
