"""Results used again: for as long as they stand, for equal values only, and never too many."""

from __future__ import annotations

import pytest

from actors.runs.result_cache import ResultCache
from actors.runs.walk import NodeDone
from protocol.errors import NodeError
from protocol.flow import Cache, Node, Options
from protocol.sandbox import ScriptAnswer

NODE = Node("n", "js", "n", {}, {}, options=Options(cache=Cache(60, ["{{a}}"])))
WHOLE = Node("n", "js", "n", {}, {}, options=Options(cache=Cache(60)))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_result_stands_until_its_time_is_over() -> None:
    clock = Clock()
    cache, done = ResultCache(clock), NodeDone("output_2", b"1")
    cache.put(b"k", done, 10)
    clock.now = 9.9
    assert cache.get(b"k") == done
    clock.now = 10.0
    assert cache.get(b"k") is None
    assert (cache.hits, cache.misses) == (1, 1)


def test_the_key_is_the_named_values_of_this_node_in_this_version() -> None:
    key = ResultCache.key
    assert key("f", NODE, b'{"a":1,"b":2}') == key("f", NODE, b'{"b":3,"a":1}')
    assert key("f", NODE, b'{"a":1}') != key("f", NODE, b'{"a":2}')
    assert key("f", NODE, b'{"a":1}') != key("g", NODE, b'{"a":1}')
    assert key("f", WHOLE, b'{"a":1,"b":2}') == key("f", WHOLE, b'{"b":2,"a":1}')
    assert key("f", WHOLE, b'{"a":1}') != key("f", WHOLE, b'{"a":1,"b":2}')
    with pytest.raises(NodeError, match="no a"):
        key("f", NODE, b"{}")


def test_the_longest_unused_goes_first() -> None:
    cache = ResultCache(Clock(), max_bytes=2_000)
    for name in (b"1", b"2", b"3"):
        cache.put(name, NodeDone("output_1", b"x" * 100), 10)
    assert cache.get(b"1") is not None
    cache.put(b"4", NodeDone("output_1", b"x" * 100), 10)
    assert [cache.get(name) is not None for name in (b"1", b"2", b"3", b"4")] == [True, False, True, True]
    cache.put(b"5", NodeDone("output_1", b"x" * 5_000), 10)
    assert cache.get(b"5") is None
    assert cache.get(b"4") is not None


def test_a_result_that_sets_a_cookie_is_one_clients_alone() -> None:
    cache = ResultCache(Clock())
    cookie = (("Set-Cookie", "who=ana"),)
    cache.put(b"1", NodeDone("output_1", b"1", None, cookie), 10)
    cache.put(b"2", NodeDone("output_1", b"1", ScriptAnswer(200, "text/plain", b"hello ana", cookie)), 10)
    assert cache.get(b"1") is None
    assert cache.get(b"2") is None
