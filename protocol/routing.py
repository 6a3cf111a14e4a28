"""Which flow a request is for: a trie of path segments, built once from the flows, asked for every request.

Rules (Go: playbook.go, with its random choice among overlapping routes replaced by an order): patterns and paths have
equal numbers of segments, so a trailing slash matters; `:name` takes any segment and an empty pattern segment anything
too. Segment by segment, from the left, a literal is tried before `:name`, `:name` before an empty one; then an exact
method before ANY; then the flow that came first. HEAD takes the way of GET unless a start names it. Literals are
compared percent-decoded. A lookup costs its segments, not the number of flows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from protocol.errors import Problem
from protocol.flow import Flow, Start
from protocol.process import Pairs

RESUME_TAG: Final = "nfnext"
TRACK_TAG: Final = "nftk"
ANY: Final = "ANY"
MAX_SEGMENTS: Final = 128
"""Longest path that is looked at; longer ones are nobody's."""


@dataclass(frozen=True, slots=True)
class Match:
    """The way in that a request takes."""

    flow: Flow
    start: Start
    variables: Pairs
    """Captured segments in path order, percent-decoded."""
    endpoint: str
    """The routed path: as received, up to the first tag."""
    resume_node: str | None = None
    """The segment after `nfnext`: the node a suspended run asks to go on at. Nothing is checked here."""


@dataclass(slots=True)
class _Branch:
    """One place in the trie. Most have only literals."""

    literals: dict[str, _Branch] = field(default_factory=dict)
    parameter: _Branch | None = None
    anything: _Branch | None = None
    starts: dict[str, tuple[Flow, Start, tuple[tuple[str, int], ...]]] = field(default_factory=dict)
    """Method → what is served here, with the names of its variables and their places in the path."""


class RouteTable:
    """Immutable once built. Build a new one when flows change."""

    __slots__ = ("_root", "conflicts")

    def __init__(self, root: _Branch, conflicts: tuple[Problem, ...]) -> None:
        self._root = root
        self.conflicts = conflicts
        """Warnings: starts that can never be reached, each naming the one that is in its way."""

    @classmethod
    def build(cls, flows: Iterable[Flow]) -> RouteTable:
        """The table of all starts of these flows, in order: where two claim the same, the first is served."""
        root = _Branch()
        conflicts: list[Problem] = []
        for flow in flows:
            for start in flow.starts:
                taken = _insert(root, flow, start)
                if taken is not None:
                    conflicts.append(_conflict(flow, start, *taken))
        return cls(root, tuple(conflicts))

    def find(self, method: str, raw_path: str) -> Match | None:
        """Whom `method` on `raw_path` is for, or None.

        `raw_path` is the path as received: percent-encoded, without the query.
        """
        segments = raw_path.split("/")
        endpoint, resume = raw_path, None
        if RESUME_TAG in segments or TRACK_TAG in segments:
            segments, resume = _cut_tags(segments)
            endpoint = "/".join(segments)
        count = len(segments)
        if count > MAX_SEGMENTS:
            return None
        encoded = "%" in endpoint
        keys = [unquote(segment) for segment in segments] if encoded else segments
        found = _descend(self._root, keys, 0, count, method)
        if found is None:
            return None
        flow, start, names = found
        return Match(flow, start, tuple([(name, keys[place]) for name, place in names]), endpoint, resume)


def _descend(
    branch: _Branch, keys: list[str], at: int, count: int, method: str
) -> tuple[Flow, Start, tuple[tuple[str, int], ...]] | None:
    """Depth first, the most specific child first, back when it leads to nothing."""
    while at < count:
        literal = branch.literals.get(keys[at])
        at += 1
        parameter, anything = branch.parameter, branch.anything
        if parameter is None and anything is None:
            if literal is None:
                return None
            branch = literal
            continue
        for child in (literal, parameter, anything):
            if child is not None:
                found = _descend(child, keys, at, count, method)
                if found is not None:
                    return found
        return None
    starts = branch.starts
    return starts.get(method) or (starts.get("GET") if method == "HEAD" else None) or starts.get(ANY)


def _insert(root: _Branch, flow: Flow, start: Start) -> tuple[Flow, Start] | None:
    """Put the start in its place; the one already there is returned instead when it is the same claim."""
    branch = root
    names: list[tuple[str, int]] = []
    for place, segment in enumerate(start.pattern.split("/")):
        if place == 0:  # what stands before the first slash: always empty, and no wildcard
            branch = branch.literals.setdefault(segment, _Branch())
        elif segment.startswith(":"):
            names.append((segment[1:], place))
            branch.parameter = branch = branch.parameter or _Branch()
        elif segment == "":
            branch.anything = branch = branch.anything or _Branch()
        else:
            branch = branch.literals.setdefault(unquote(segment), _Branch())
    there = branch.starts.get(start.method)
    if there is not None:
        return there[0], there[1]
    branch.starts[start.method] = (flow, start, tuple(names))
    return None


def _conflict(flow: Flow, start: Start, other: Flow, taken: Start) -> Problem:
    message = (
        f"{start.method} {start.pattern} is never reached: it is served by node {taken.node} of flow {other.name!r}"
        f" ({taken.method} {taken.pattern}), which comes first"
    )
    return Problem(f"{flow.name}.{start.node}", message, fatal=False)


def _cut_tags(segments: list[str]) -> tuple[list[str], str | None]:
    """The segments before the first tag, and the one after `nfnext`. The last segment is never a tag (Go: parseURL)."""
    cut, resume = None, None
    for place, segment in enumerate(segments[:-1]):
        if segment in (RESUME_TAG, TRACK_TAG):
            cut = place if cut is None else cut
            if segment == RESUME_TAG and resume is None:
                resume = segments[place + 1]
    return (segments if cut is None else segments[:cut]), resume
