"""T24, of the house: no regular expression of the standard library in our packages is slow on any line of 10 kB.

Python's `re` can take exponential time. Patterns for text that anyone may have written are RE2's
(`actors/guards/pattern.py`), which cannot; each of `re` is tried here on lines made to hurt it, as its module uses it,
or stands in a list with the reason why nothing hostile reaches it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.torture.patterns import BYTES, Known, hostile, made_elsewhere, module_patterns
from tests.torture.row import tell

SECONDS = 0.001
SLACK = 3.0
"""Two cores, shared with whatever else runs; what is not linear is hundreds of times slower."""
TRUSTED = {
    "protocol/configuration/places.py:_HEADER": "lines of the operator's configuration file, at a start",
    "protocol/configuration/places.py:_KEY": "lines of the operator's configuration file, at a start",
    "actors/library/queries.py:_AROUND": "named queries: an administrator's, made canonical once",
    "actors/plugins/schema.py:_ADDRESS": "the operator's configuration of a plugin",
    "actors/reach/mail_message.py:_NAMED": "one mail address without blanks around, at most 998 characters: 5 ms",
    "actors/sandbox/child/scripts.py:_DECLARES": "runs in the sandbox, under its limits and the parent's deadline",
    "gateway/logs/settings.py:_PASSWORD_OF_A_PLACE": "addresses of the configuration",
    "actors/databases/postgres.py:_WANTS_TEXTS": "the driver's own words about an argument, short",
}
"""Patterns that are not linear, and why no stranger's text reaches them."""
ELSEWHERE = {
    "actors/databases/dsn.py": "a DSN of the configuration",
    "actors/databases/mysql.py": "the time zone of a DSN",
    "actors/databases/placeholders.py": "tokens of SQL, tried one after the other: see test_placeholders",
    "actors/sandbox/child/names.py": "names of ours, within the sandbox",
    "gateway/logs/settings.py": "values of the configuration",
}
"""Files whose functions make patterns of their own, and of what."""


def seconds(work: Callable[[Any], object], line: str | bytes) -> float:
    """The best of some: what the machine does besides is not what is asked. First with little of the line, so that what
    never ends is seen while it still does."""
    best = 1.0
    for length in (25, 200, 2_000, BYTES, BYTES, BYTES, BYTES, BYTES, BYTES):
        part = line[:length]
        began = time.perf_counter()
        work(part)
        took = time.perf_counter() - began
        if length == BYTES:
            best = min(best, took)
        elif took > 0.1:
            return took
        if best < SECONDS or took > 0.2:
            break
    return best


def worst(known: Known) -> tuple[float, str]:
    """The longest that any line takes, and how that line begins."""
    work = known.pattern.match if known.anchored else known.pattern.search
    longest, begins = 0.0, ""
    for line in dict.fromkeys(hostile(known.pattern)):
        took = seconds(work, line if isinstance(known.pattern.pattern, str) else line.encode("utf-8", "replace"))
        if took > longest:
            longest, begins = took, line[:40]
        if longest > SECONDS * SLACK:
            break
    return longest, begins


def test_no_pattern_of_ours_is_slow_on_a_hostile_line() -> None:
    found = list(module_patterns())
    assert len(found) > 100, "they are found"
    tried = [known for known in found if known.name not in TRUSTED]
    times = {known.name: worst(known) for known in tried}
    slow = {name: took for name, took in times.items() if took[0] > SECONDS * SLACK}
    tell(
        "T24",
        "patterns of the standard library",
        f"{len(times)} tried, the slowest {max(times.values())[0] * 1e6:.0f} us",
    )
    assert not slow


def test_the_list_of_trusted_patterns_holds_no_others() -> None:
    assert {known.name for known in module_patterns()} >= set(TRUSTED)


def test_nobody_makes_a_pattern_in_passing() -> None:
    assert {place.partition(":")[0] for place in made_elsewhere()} <= set(ELSEWHERE)
