"""Documents in, flows out: the readers of the formats workflows are written in.

`read` looks at a JSON document, decides which shape it has, and compiles every flow that can be served. It never raises
for a bad document: it reports every problem with its path, and one bad flow never hides the good ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from protocol.errors import Problem
from protocol.flow import Flow
from protocol.formats.document import MAX_BYTES, MAX_PROBLEMS, Document, parse
from protocol.formats.graph import Findings
from protocol.formats.manual import looks_manual, read_manual
from protocol.formats.playbook import TOP, read_playbook

NO_MODULES: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of a document."""

    flows: tuple[Flow, ...]
    """The flows that can be served, in document order."""
    problems: tuple[Problem, ...]
    """Everything found, errors and warnings, in document order."""

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that refused a flow or the document."""
        return tuple(problem for problem in self.problems if problem.fatal)


def read(
    document: bytes | str, app: str, modules: Mapping[str, str] = NO_MODULES, max_bytes: int = MAX_BYTES
) -> Reading:
    """Compile a document of either JSON shape.

    `app` is what scripts see as `__flow_app`. `modules` maps a module's name to its source, for nodes whose `script` is
    a name. Never raises for what the document holds.
    """
    parsed = parse(document, max_bytes)
    if isinstance(parsed, Problem):
        return Reading((), (parsed,))
    top = parsed.value
    if not isinstance(top, dict):
        return Reading((), (Problem("document", f"must be an object: {_EXPECTED}"),))
    if TOP in top:
        return _read_playbook(parsed, app, modules)
    if looks_manual(top):
        findings = Findings()
        flow = read_manual(parsed, app, modules, findings)
        return Reading((flow,) if flow is not None else (), tuple(findings.problems))
    return Reading((), (Problem("document", f"has no flow in it: {_EXPECTED}"),))


_EXPECTED: Final = 'either {"drawflow": {flow: {"data": {node id: node}}}} or {node id: node}'


def _read_playbook(parsed: Document, app: str, modules: Mapping[str, str]) -> Reading:
    flows: list[Flow] = []
    problems: list[Problem] = []
    for flow, found in read_playbook(parsed, app, modules):
        problems += found[:MAX_PROBLEMS]
        if len(found) > MAX_PROBLEMS:
            problems.append(Problem(found[0].path, f"and {len(found) - MAX_PROBLEMS} more problems in this flow"))
        if flow is not None:
            flows.append(flow)
    return Reading(tuple(flows), tuple(problems))
