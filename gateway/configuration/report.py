"""What `nflow config` prints: the faults of a configuration, and what is in force with each value's source."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.configuration.source import Source
from protocol.errors import BadDocument, Problem
from protocol.settings.annotated import effective_document


def fault_lines(source: Source) -> tuple[tuple[str, ...], bool]:
    """Every error and warning, a line each, and whether there is an error."""
    try:
        problems: tuple[Problem, ...] = source.read().problems
    except BadDocument as error:
        problems = error.problems
    return tuple(_lines(problems)), any(problem.fatal for problem in problems)


def _lines(problems: tuple[Problem, ...]) -> Iterator[str]:
    errors = sum(problem.fatal for problem in problems)
    for problem in sorted(problems, key=lambda problem: not problem.fatal):
        yield f"{'error' if problem.fatal else 'warning'}: {problem}"
    yield f"{_counted(errors, 'error')}, {_counted(len(problems) - errors, 'warning')}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def effective(source: Source) -> str:
    """The configuration in force as TOML, without the secrets. Raises BadDocument with every error."""
    loaded = source.read()
    settings, _ = loaded.valid()
    return effective_document(settings, loaded.origins)
