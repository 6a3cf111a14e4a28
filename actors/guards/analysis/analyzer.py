"""Looks through one script: text in, findings out. Pure.

It reads the syntax, so comments, texts and names that only look like something are no findings, and what is spelled
another way still is one. It never raises, whatever the text, and takes time in proportion to it: a syntax tree is
walked once, without recursion; a text of more than 256 kB, or that takes too long to read, is one finding, `too_large`.
What tree-sitter cannot read yields no finding, and what is around it is looked at all the same. A script can always
hide from it: it is advice.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from actors.guards.analysis.matches import MOST_OF_A_RULE, Match, Matches
from actors.guards.analysis.rules import Rule, RuleSet
from actors.guards.analysis.syntax import MAX_BYTES, Node, encode, parse
from protocol.formats.findings import Finding

_AROUND: Final = 40
"""Characters of a snippet on each side (Go)."""
_MOST_INSIDE: Final = 80
_COMMENTS: Final = frozenset({"comment", "html_comment", "hash_bang_line"})


class Analyzer:
    """A set of rules, to be applied to any number of scripts."""

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules

    def analyze(self, source: str) -> tuple[Finding, ...]:
        """Everything the rules find, in the order of the text; of one rule at most 100."""
        text = encode(source)
        if len(text) > MAX_BYTES:
            return self._not_analyzed("large")
        if not text.strip():
            return ()
        source = text.decode()
        root = parse(text)
        if root is None:
            return self._not_analyzed("complex")
        matches, comments = _walk(root)
        ascii_only = len(source) == len(text)
        places: list[tuple[int, int, Rule, str]] = []
        for match in matches:
            rule = self.rules.built_in.get(match.rule)
            if rule is not None:
                start, end = (match.start, match.end) if ascii_only else _characters(text, match)
                places.append((start, end, rule, match.detail or rule.description))
        if self.rules.own:
            code = _without(text, comments)
            for own in self.rules.own:
                found = islice(own.pattern.finditer(code), MOST_OF_A_RULE)
                places += [(each.start(), each.end(), own.rule, own.rule.description) for each in found]
        places.sort(key=lambda place: (place[0], place[2].name))
        return tuple(_finding(source, *place) for place in places)

    def _not_analyzed(self, why: str) -> tuple[Finding, ...]:
        rule = self.rules.built_in.get("too_large")
        words = f"Script too {why} to be analyzed"
        return () if rule is None else (Finding(rule.name, rule.severity, words, 1, 1, ""),)


def _walk(root: Node) -> tuple[list[Match], list[tuple[int, int]]]:
    """What matches in the tree, and where its comments are. Without recursion: trees are as deep as their text."""
    matches = Matches()
    comments: list[tuple[int, int]] = []
    cursor = root.walk()
    around: list[Node] = []
    kinds: list[str] = []
    """The nodes that are open, and their types."""
    broken = -1
    """Depth of the outermost region that cannot be read."""
    while (node := cursor.node) is not None:
        kind = node.type
        if kind in _COMMENTS:
            comments.append((node.start_byte, node.end_byte))
        elif broken < 0:
            if kind == "ERROR":
                broken = len(around)
            else:
                matches.enter(node, kind, around)
        around.append(node)
        kinds.append(kind)
        if cursor.goto_first_child():
            continue
        while True:
            around.pop()
            ended = kinds.pop()
            if broken < 0:
                matches.end(len(around), ended)
            elif broken == len(around):
                broken = -1
            if cursor.goto_next_sibling():
                break
            if not cursor.goto_parent():
                return matches.all(), comments
    return matches.all(), comments


def _characters(text: bytes, match: Match) -> tuple[int, int]:
    before = len(text[: match.start].decode("utf-8", "replace"))
    return before, before + len(text[match.start : match.end].decode("utf-8", "replace"))


def _without(text: bytes, comments: list[tuple[int, int]]) -> str:
    """The code with blanks for its comments: every other character stays where it is."""
    pieces: list[str] = []
    end = 0
    for start, stop in comments:
        pieces.append(text[end:start].decode("utf-8", "replace"))
        blank = text[start:stop].decode("utf-8", "replace")
        pieces.append("\n".join(" " * len(line) for line in blank.split("\n")))
        end = stop
    pieces.append(text[end:].decode("utf-8", "replace"))
    return "".join(pieces)


def _finding(source: str, start: int, end: int, rule: Rule, description: str) -> Finding:
    first, last = max(0, start - _AROUND), min(end, start + _MOST_INSIDE) + _AROUND
    snippet = ("..." if first else "") + source[first:last] + ("..." if last < len(source) else "")
    line = source.count("\n", 0, start) + 1
    return Finding(rule.name, rule.severity, description, line, start - source.rfind("\n", 0, start), snippet)
