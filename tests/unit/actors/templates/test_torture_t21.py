"""Row T21: the mustache specification, probes of attributes, endless templates, huge output, header injection.

Each of the 136 behaviours that the core of the mustache specification states (comments, delimiters, interpolation,
inverted sections, partials, sections) has a case of our own in tests/data/mustache_cases.json; all of them always run.
What it leaves open about lines and delimiters is in test_mustache_lines.py.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from actors.sandbox.vm import Engine
from actors.templates.failure import TemplateError, TemplateLimit
from actors.templates.mustache import Compiled, render_mustache
from actors.templates.templates import Templates
from protocol.sandbox import Limits

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[3] / "data" / "mustache_cases.json").read_text("utf-8")
)["cases"]
AREAS = {"comments": 12, "delimiters": 14, "interpolation": 42, "inverted": 22, "partials": 12, "sections": 34}
"""How many behaviours each part of the core specification states: 136 in all."""
MIB_10 = 10 << 20


def test_each_behaviour_of_the_specification_has_one_case() -> None:
    assert Counter(case["area"] for case in CASES) == AREAS
    assert len({(case["area"], case["behaviour"]) for case in CASES}) == len(CASES) == 136


@pytest.mark.parametrize("case", CASES, ids=[f"{case['area']}: {case['behaviour']}" for case in CASES])
def test_the_core_specification_holds(case: dict[str, Any]) -> None:
    """Twice with one cache: what is kept of a template renders as the template does."""
    kept = Compiled()
    for _ in range(2):
        output = render_mustache(case["template"], case["data"], MIB_10, case.get("partials", {}), kept)
        assert output == case["expected"]


PROBES = [
    "{s.upper}", "{d.clear}", "{s.__class__}", "{d.keys}", "{l.append}", "{n.real}",
    "{d.__init__.__globals__}", "{s.__class__.__mro__}",
]  # fmt: skip


@pytest.mark.parametrize("probe", PROBES)
def test_a_probe_of_an_attribute_reaches_nothing(probe: str) -> None:
    data: dict[str, Any] = {"s": "text", "d": {"k": 1}, "l": [1], "n": 5}
    name = probe[1:-1]
    for source in ("{" + probe + "}", "{{" + probe + "}}", f"{{{{#{name}}}}}x{{{{/{name}}}}}", f"{{{{&{name}}}}}"):
        assert Templates().mustache(source, data) == ""
    # A key that is not there is empty; a field of what has none is refused.
    if name.startswith("d.") and name.count(".") == 1:
        assert Templates().go("{{." + name + "}}", data) == ""
    else:
        with contextlib.suppress(TemplateError):
            assert Templates().go("{{." + name + "}}", data) == ""
    assert data == {"s": "text", "d": {"k": 1}, "l": [1], "n": 5}


@pytest.mark.parametrize("partials", [{"p": "{{>p}}"}, {"p": "{{>q}}{{>q}}", "q": "{{>p}}{{>p}}"}, {"p": " {{>p}}\n"}])
def test_partials_that_include_each_other_end(partials: dict[str, str]) -> None:
    with pytest.raises(TemplateLimit):
        render_mustache("{{>p}}", {}, MIB_10, partials)


ENDLESS = [
    '{{define "a"}}{{template "a" .}}{{end}}{{template "a" .}}',
    '{{define "a"}}{{template "a" .}}{{template "a" .}}{{end}}{{template "a" .}}',
    "{{range 1000000000}}{{end}}",
    "{{range 100000}}{{range 100000}}{{range 100000}}{{end}}{{end}}{{end}}",
    '{{$x := "aaaaaaaa"}}{{range 100000}}{{$x = print $x $x}}{{end}}',
    '{{$x := "aaaaaaaa"}}{{range 100000}}{{$x = printf "%s%s" $x $x}}{{end}}',
    '{{range 1000000}}{{printf "%999999999d" 1}}{{end}}',
    "{{range 100000000}}{{if eq $.big $.big}}{{end}}{{end}}",
    "<!--{{range 100000000}}{{$.big}}{{end}}-->",
    "{{1}}" * 60_000,
]


@pytest.mark.parametrize("source", ENDLESS)
def test_an_endless_template_ends(source: str) -> None:
    begun = time.monotonic()
    with pytest.raises(TemplateLimit):
        Templates().go(source, {"big": "x" * 500_000})
    assert time.monotonic() - begun < 20  # it takes a second or two; without bounds, hours


@pytest.mark.parametrize(
    "source", ["{{if .}}" * 5_000 + "{{end}}" * 5_000, "{{" + "(" * 5_000 + "1" + ")" * 5_000 + "}}"]
)
def test_deep_nesting_is_refused_with_its_place(source: str) -> None:
    with pytest.raises(TemplateError, match="template:1: nested deeper"):
        Templates().go(source, 1)


def test_mustache_sections_within_sections_end() -> None:
    data = {"a": list(range(1, 1_000))}
    with pytest.raises(TemplateLimit):
        Templates().mustache("{{#a}}" * 4 + "{{/a}}" * 4, data)


def test_an_output_of_10_mb_is_cut_off() -> None:
    line = "x" * 1_000
    for render, source in (
        (Templates().go, "{{range .l}}" + line + "{{end}}"),
        (Templates().mustache, "{{#l}}" + line + "{{/l}}"),
        (Templates().go, "{{range .l}}{{$.s}}{{end}}"),
        (Templates().mustache, "{{#l}}{{s}}{{/l}}"),
        (Templates().go, "{{.huge}}"),
        (Templates().mustache, "{{{huge}}}"),
    ):
        with pytest.raises(TemplateLimit, match="larger than its limit"):
            render(source, {"l": list(range(1, 10_001)), "s": line, "huge": "x" * MIB_10})


@pytest.fixture
def bench() -> Any:
    """Scripts on the real engine."""
    path = Path(__file__).parents[1] / "sandbox" / "conftest.py"
    spec = importlib.util.spec_from_file_location("sandbox_bench_t21", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Bench(Engine(), Limits(memory_mb=64, execution_seconds=5.0))


@pytest.mark.parametrize("engine", ["template('{{.a | unescapeHTML}}', payload)", "mustache('{{{a}}}', payload)"])
@pytest.mark.parametrize("line", ["x\r\nSet-Cookie: evil=1", "x\nX-Evil: 1", "x\r\n\r\n<script>"])
@pytest.mark.parametrize("use", ["c.Redirect(302, {})", "c.SetHeader('X-A', {}); c.NoContent(204)"])
def test_a_rendered_text_cannot_become_a_header_of_its_own(bench: Any, engine: str, line: str, use: str) -> None:
    outcome = bench.run("function main() { " + use.replace("{}", engine) + " }", payload={"a": line})
    answer = outcome.result.answer if hasattr(outcome, "result") else None
    told = [] if answer is None else [*answer.headers]
    assert not [pair for pair in told if "\r" in "".join(pair) or "\n" in "".join(pair)]
    assert not {name.lower() for name, _ in told} & {"set-cookie", "x-evil"}


def test_the_memory_of_a_page_is_that_of_its_output() -> None:
    with pytest.raises(TemplateLimit):
        Templates(limit_chars=1_000).go("{{range 1000}}{{$.o}}{{end}}", {"o": {str(n): n for n in range(10_000)}})
