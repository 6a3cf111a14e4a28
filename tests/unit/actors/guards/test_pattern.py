"""Patterns for untrusted text: positions, replacements, what is refused, and that no text takes long."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.guards import pattern
from protocol.errors import BadDocument


def test_positions_count_characters_of_the_text_as_given() -> None:
    text = "ñ😀 \ud800 key=abcd \udfff key=efgh"
    matches = list(pattern.compile("x", r"key=(\w+)").finditer(text))
    assert [text[match.start(1) : match.end(1)] for match in matches] == ["abcd", "efgh"]
    assert [match.group(1) for match in matches] == ["abcd", "efgh"]


def test_what_is_put_in_is_put_in_as_it_is_and_the_rest_stays_the_same() -> None:
    secret = pattern.compile("x", "(s)ecret", ignore_case=True)
    assert secret.sub(r"\1", "a \ud800 Secret, SECRET") == "a \ud800 \\1, \\1"
    assert secret.sub(lambda match: f"<{match.group()}>", "a secret") == "a <secret>"
    text = "nothing here"
    assert secret.sub("x", text) is text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("(", "missing )"),
        ("a(?!b)", "look-around"),
        (r"(a)\1", "look-around and back-references"),
        ("x*", "matches the empty text"),
        ("", "matches the empty text"),
        ("a" * 2_001, "more than 2000"),
        (r"\pL{1000}\pL{1000}", "too large"),
        ("a\ud800", "surrogate"),
    ],
)
def test_a_pattern_that_cannot_be_is_refused_with_its_path(text: str, words: str) -> None:
    with pytest.raises(BadDocument) as refused:
        pattern.compile("security.rules.mine", text)
    (problem,) = refused.value.problems
    assert problem.path == "security.rules.mine"
    assert words in problem.message


def test_an_empty_match_is_no_match() -> None:
    assert [match.group() for match in pattern.compile("x", r"\b|a").finditer("b a b")] == []
    assert [match.group() for match in pattern.compile("x", r"a+|\b").finditer(" aa ")] == ["aa"]


@given(st.text() | st.text(alphabet="a=\ud800\udfff é"))
def test_no_text_makes_it_raise(text: str) -> None:
    found = pattern.compile("x", r"[a-z=]+|é.")
    for match in found.finditer(text):
        assert text[match.start() : match.end()].encode("utf-8", "replace").decode() == match.group()
    assert found.sub("", found.sub("", text)) is not None


def test_what_takes_the_standard_library_for_ever_takes_no_time() -> None:
    hard = pattern.compile("x", r"(a+)+$|(x+x+)+y|(.*)(.*)(.*)=")
    began = time.process_time()
    assert hard.search("a" * 10_000 + "!" + "x" * 10_000) is None
    assert time.process_time() - began < 1.0
