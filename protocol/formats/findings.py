"""What the static analysis says of a script: findings, the problem a finding is in a document, and the refusal to run.

Advice, not a wall: whatever passes here still runs confined. The shape of a finding is nFlow's (Go: security/analyzer).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from protocol.errors import Problem, Refusal

Severity = Literal["high", "medium", "low"]
SEVERITIES: Final[tuple[Severity, ...]] = ("high", "medium", "low")


class Finding(NamedTuple):
    """One place in a script where a rule matches."""

    type: str
    """Name of the rule: `eval_usage`."""
    severity: Severity
    description: str
    line: int
    """Of the author's text, from 1."""
    column: int
    """In characters, from 1."""
    snippet: str
    """What stands there with up to 40 characters before and behind, `...` where something is cut."""

    def issue(self) -> dict[str, Any]:
        """As answers show it: without the snippet, which is source."""
        return {
            "type": self.type,
            "severity": self.severity,
            "description": self.description,
            "line": self.line,
            "column": self.column,
        }


@dataclass(frozen=True, slots=True)
class SecurityIssue(Problem):
    """A finding as a problem of the document it is in; fatal where it refuses the document."""

    script: str = ""
    """`app/flow/node` of the script."""
    finding: Finding | None = None
    blocks: bool = False
    """Whether the script is not run for it."""


class ScriptBlocked(Refusal):
    """The script is not run: the analysis found something of high severity in it."""

    retried = False

    def __init__(self, findings: Sequence[Finding]) -> None:
        """`findings`: those of high severity. The words are Go's."""
        super().__init__(f"script blocked due to security issues: {len(findings)} high severity issues found")
        self.findings = tuple(findings)


def issue_of(problem: Problem) -> dict[str, Any]:
    """What an answer adds to a problem's path and message: the finding it is, if it is one."""
    finding = problem.finding if isinstance(problem, SecurityIssue) else None
    return {} if finding is None else {"issue": finding.issue()}
