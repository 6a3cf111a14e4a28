"""The rules of the analysis: nFlow's, with their names, severities and words, and an operator's own.

A set of rules is made of `[security]` once; everything that is wrong with it is told with its path. Values only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from actors.guards.pattern import Pattern
from actors.guards.pattern import compile as compile_pattern
from protocol.errors import BadDocument, Problem
from protocol.formats.findings import SEVERITIES, Severity

OFF: Final = "off"


@dataclass(frozen=True, slots=True)
class Rule:
    """What is looked for."""

    name: str
    severity: Severity
    description: str


BUILT_IN: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            Rule("eval_usage", "high", "Direct eval() usage can execute arbitrary code"),
            Rule("function_constructor", "high", "Function constructor can create arbitrary functions"),
            Rule("file_system_access", "high", "Attempting to access file system"),
            Rule("child_process", "high", "Attempting to spawn child processes"),
            Rule("network_access", "medium", "Attempting network access"),
            Rule("infinite_loop", "medium", "Potential infinite loop detected"),
            Rule("global_assignment", "medium", "Modifying global scope"),
            Rule("dynamic_require", "medium", "Dynamic require with non-literal argument"),
            Rule("dangerous_regex", "low", "Complex regex that might cause ReDoS"),
            Rule("buffer_constructor", "low", "Deprecated Buffer constructor usage"),
            Rule("too_large", "medium", "Script too large to be analyzed"),
        )
    }
)
"""Names, severities and words of nFlow (Go: security/analyzer), and `too_large` for what is not looked through."""


@dataclass(frozen=True, slots=True)
class OwnRule:
    """A rule of the operator's: a pattern that code, comments left out, must not match."""

    rule: Rule
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules in force."""

    built_in: Mapping[str, Rule] = field(default_factory=lambda: BUILT_IN)
    """By name; those that are off are not in it."""
    own: tuple[OwnRule, ...] = ()
    allowed: frozenset[str] = frozenset()
    """Rules whose findings are counted and let pass."""


def rule_set(severities: Mapping[str, str], own: Mapping[str, str], allowed: Collection[str]) -> RuleSet:
    """The rules of a configuration. Raises BadDocument with every problem.

    `severities`: rule → high, medium, low or off. `own`: name → regular expression. `allowed`: names of rules.
    """
    problems: list[Problem] = []
    rules = dict(BUILT_IN)
    patterns: dict[str, Pattern] = {}
    for name, text in own.items():
        path = f"security.rules.{name}"
        if name in BUILT_IN:
            problems.append(Problem(path, "is a rule that is there already; security.severities can turn it off"))
            continue
        try:
            patterns[name] = compile_pattern(path, text)
        except BadDocument as error:
            problems += error.problems
        rules[name] = Rule(name, "high", f"Own rule {name}")
    for name, severity in severities.items():
        path = f"security.severities.{name}"
        if name not in rules:
            problems.append(Problem(path, _unknown(name, rules)))
        elif severity == OFF:
            rules.pop(name)
        elif severity not in SEVERITIES:
            problems.append(Problem(path, f"must be {', '.join(SEVERITIES)} or {OFF}, not {severity!r}"))
        else:
            rules[name] = Rule(name, severity, rules[name].description)
    known = {*BUILT_IN, *own}
    problems += [Problem("security.allowed_patterns", _unknown(name, known)) for name in allowed if name not in known]
    if problems:
        raise BadDocument(problems)
    return RuleSet(
        MappingProxyType({name: rule for name, rule in rules.items() if name in BUILT_IN}),
        tuple(OwnRule(rules[name], pattern) for name, pattern in patterns.items() if name in rules),
        frozenset(allowed),
    )


def _unknown(name: str, known: Iterable[str]) -> str:
    return f"there is no rule {name!r}; the rules are {', '.join(sorted(known))}"
