"""Overlapping patterns have one answer, whatever the order of the flows and however many there are."""

from __future__ import annotations

import itertools
import random
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.flow import Flow, Start
from protocol.routing import MAX_SEGMENTS, RouteTable


def flow(*ways: str, name: str = "F") -> Flow:
    """A flow with one start for each `METHOD /pattern`."""
    starts = tuple(
        Start(node=f"{name}{number}", method=method, pattern=pattern, first="a")
        for number, (method, pattern) in enumerate(way.split(" ", 1) for way in ways)
    )
    return Flow(app="app", name=name, nodes={}, starts=starts, hash="")


def served(table: RouteTable, method: str, path: str) -> str | None:
    """The pattern that serves this request."""
    match = table.find(method, path)
    return match.start.pattern if match else None


@pytest.mark.parametrize("order", list(itertools.permutations(["GET /a/:x", "GET /a/b", "GET /a/", "GET /:y/b"])))
def test_specific_comes_before_parameter_whatever_the_order(order: tuple[str, ...]) -> None:
    table = RouteTable.build([flow(way, name=way) for way in order])
    assert served(table, "GET", "/a/b") == "/a/b"
    assert served(table, "GET", "/a/c") == "/a/:x"
    assert served(table, "GET", "/c/b") == "/:y/b"
    assert served(table, "GET", "/c/d") is None
    assert served(table, "GET", "/a/") == "/a/:x"


def test_the_leftmost_literal_wins() -> None:
    table = RouteTable.build([flow("GET /:x/b/c"), flow("GET /a/:y/:z")])
    assert served(table, "GET", "/a/b/c") == "/a/:y/:z"


def test_a_dead_end_on_the_specific_way_falls_back() -> None:
    table = RouteTable.build([flow("GET /a/b/c"), flow("GET /a/:x/d"), flow("POST /a/b/e"), flow("GET /a/:x/e")])
    assert served(table, "GET", "/a/b/d") == "/a/:x/d"
    assert served(table, "GET", "/a/b/e") == "/a/:x/e"
    assert served(table, "POST", "/a/b/e") == "/a/b/e"


def test_an_exact_method_comes_before_any() -> None:
    table = RouteTable.build([flow("ANY /a", name="any"), flow("GET /a", name="get")])
    assert table.conflicts == ()
    for method, name in [("GET", "get"), ("POST", "any"), ("PROPFIND", "any"), ("HEAD", "get")]:
        match = table.find(method, "/a")
        assert match is not None
        assert match.flow.name == name


def test_head_takes_the_way_of_get_unless_a_start_names_it() -> None:
    table = RouteTable.build([flow("GET /a/b"), flow("ANY /a/:x"), flow("HEAD /c"), flow("GET /c")])
    assert served(table, "HEAD", "/a/b") == "/a/b"
    found = table.find("HEAD", "/c")
    assert found is not None
    assert found.start.method == "HEAD"


def test_an_empty_pattern_segment_takes_anything_and_comes_last() -> None:
    table = RouteTable.build([flow("GET /"), flow("GET /a//b"), flow("GET /known")])
    assert served(table, "GET", "/known") == "/known"
    assert served(table, "GET", "/anything") == "/"
    assert served(table, "GET", "/") == "/"
    assert served(table, "GET", "/a/x/b") == "/a//b"
    assert served(table, "GET", "/x/y") is None


def test_segments_are_counted_so_a_trailing_slash_matters() -> None:
    table = RouteTable.build([flow("GET /a/:x")])
    assert served(table, "GET", "/a/b/") is None
    assert served(table, "GET", "/a") is None
    assert served(table, "GET", "a/b") is None


def test_there_is_no_wildcard_and_letters_keep_their_case() -> None:
    table = RouteTable.build([flow("GET /v1/*")])
    assert served(table, "GET", "/v1/x") is None
    assert served(table, "GET", "/v1/*") == "/v1/*"
    assert served(table, "GET", "/V1/*") is None


def test_variables_are_percent_decoded_and_in_order() -> None:
    table = RouteTable.build([flow("GET /:a/x/:b")])
    match = table.find("GET", "/a%20b/x/%C3%B1%2Fz")
    assert match is not None
    assert match.variables == (("a", "a b"), ("b", "ñ/z"))
    assert match.endpoint == "/a%20b/x/%C3%B1%2Fz"


def test_literals_are_compared_decoded() -> None:
    table = RouteTable.build([flow("GET /año/a b"), flow("GET /x%20y")])
    assert served(table, "GET", "/a%C3%B1o/a%20b") == "/año/a b"
    assert served(table, "GET", "/x%20y") == "/x%20y"


@pytest.mark.parametrize(
    ("path", "endpoint", "resume"),
    [
        ("/wiz/nftk/campaign/nfnext/n1/utm", "/wiz", "n1"),
        ("/wiz/nfnext/n1", "/wiz", "n1"),
        ("/wiz/nfnext/n1/nftk/x", "/wiz", "n1"),
        ("/wiz/nftk/x", "/wiz", None),
    ],
)
def test_path_tags_cut_the_routed_path(path: str, endpoint: str, resume: str | None) -> None:
    match = RouteTable.build([flow("GET /wiz")]).find("GET", path)
    assert match is not None
    assert (match.endpoint, match.resume_node) == (endpoint, resume)


def test_the_last_segment_is_never_a_tag() -> None:
    table = RouteTable.build([flow("GET /wiz/:last"), flow("GET /wiz")])
    for tag in ("nfnext", "nftk"):
        match = table.find("GET", f"/wiz/{tag}")
        assert match is not None
        assert (match.variables, match.resume_node) == ((("last", tag),), None)


def test_a_start_that_is_never_reached_is_reported_and_the_first_is_served() -> None:
    table = RouteTable.build(
        [flow("GET /a/:x", name="one"), flow("GET /a/:y", name="two"), flow("ANY /a/:z", name="any")]
    )
    match = table.find("GET", "/a/b")
    assert match is not None
    assert match.flow.name == "one"
    (conflict,) = table.conflicts
    assert conflict.path == "two.two0"
    assert "'one'" in conflict.message
    assert not conflict.fatal


@pytest.mark.parametrize(
    "path", ["", "*", "/" * 100_000, "/a" * 50_000, "/%", "/%zz/%ff", "/\ud800", "//", "/nfnext/nfnext"]
)
def test_odd_paths_match_nothing_and_hurt_nobody(path: str) -> None:
    assert RouteTable.build([flow("GET /a/b/c/d")]).find("GET", path) is None


def test_a_very_long_path_is_nobodys() -> None:
    pattern = "/:x" * MAX_SEGMENTS
    assert RouteTable.build([flow(f"GET {pattern}")]).find("GET", "/a" * MAX_SEGMENTS) is None


SEGMENTS = st.sampled_from(["a", "b", ":x", ":y", ""])
PATTERNS = st.lists(SEGMENTS, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
WAYS = st.lists(st.tuples(st.sampled_from(["GET", "POST", "ANY"]), PATTERNS), max_size=12)
PATHS = st.lists(st.sampled_from(["a", "b", "c", "", "a%62"]), min_size=1, max_size=4).map(
    lambda parts: "/" + "/".join(parts)
)


@settings(max_examples=1_000, deadline=None)
@given(WAYS, st.sampled_from(["GET", "POST", "PUT", "HEAD"]), PATHS)
def test_the_trie_answers_as_a_plain_search_does(ways: list[tuple[str, str]], method: str, path: str) -> None:
    flows = [flow(f"{verb} {pattern}", name=str(number)) for number, (verb, pattern) in enumerate(ways)]
    match = RouteTable.build(flows).find(method, path)
    assert (match.flow.name if match else None) == _plain_search(ways, method, path)


def _plain_search(ways: list[tuple[str, str]], method: str, path: str) -> str | None:
    """The rules, written down as one sort over every start that fits."""
    wanted = path.split("/")
    verbs = [method, "GET", "ANY"] if method == "HEAD" else [method, "ANY"]
    fitting = []
    for number, (verb, pattern) in enumerate(ways):
        parts = pattern.split("/")
        if len(parts) != len(wanted) or verb not in verbs:
            continue
        ranks = []
        for part, segment in zip(parts[1:], wanted[1:], strict=True):
            kind = 2 if part == "" else 1 if part.startswith(":") else 0
            if kind == 0 and part != unquote(segment):
                break
            ranks.append(kind)
        else:
            fitting.append((ranks, verbs.index(verb), number))
    return str(min(fitting)[2]) if fitting else None


def test_a_look_up_does_not_grow_with_the_number_of_flows() -> None:
    generator = random.Random(1)
    few = [flow(f"GET /svc{number}/:id/items", name=str(number)) for number in range(3)]
    many = [flow(f"GET /svc{number}/:id/items", name=str(number)) for number in range(3_000)]
    generator.shuffle(many)
    assert _steps(RouteTable.build(few)) == _steps(RouteTable.build(many))


def _steps(table: RouteTable) -> int:
    """Python lines one look-up runs: a measure no busy machine disturbs."""
    import sys  # the only user

    lines = 0

    def count(frame: object, event: str, argument: object) -> object:
        nonlocal lines
        lines += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)  # type: ignore[arg-type]
    try:
        match = table.find("GET", "/svc2/7/items")
    finally:
        sys.settrace(before)
    assert match is not None
    return lines
