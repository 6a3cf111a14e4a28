"""Mustache: what each tag means, and what a name reaches."""

from __future__ import annotations

from typing import Any

import pytest

from actors.templates.failure import TemplateError
from actors.templates.mustache import render_mustache
from actors.templates.templates import Templates

DATA: dict[str, Any] = {
    "n": 1, "f": 1.21, "t": True, "no": False, "z": None, "e": "", "none": [], "s": "& \" < > '",
    "o": {"a": {"b": "deep"}}, "l": [{"v": 1}, {"v": 2}], "w": ["x", "y"], "v": "outer", "b": {"c": "C"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("{{n}}|{{ f }}|{{t}}|{{z}}|{{missing}}|{{e}}", "1|1.21|true|||"),
        ("{{s}}", "&amp; &quot; &lt; &gt; &#39;"),
        ("{{{s}}}{{&s}}", "& \" < > '& \" < > '"),
        ("{{o.a.b}}|{{o.a.x.y}}|{{n.a}}|{{w.1}}|{{w.9}}", "deep|||y|"),
        ("{{#t}}yes{{/t}}{{#no}}no{{/no}}{{#z}}no{{/z}}{{#none}}no{{/none}}", "yes"),
        ("{{^t}}no{{/t}}{{^no}}a{{/no}}{{^z}}b{{/z}}{{^none}}c{{/none}}{{^missing}}d{{/missing}}", "abcd"),
        ("{{#l}}({{v}}{{n}}){{/l}}", "(11)(21)"),
        ("{{#w}}{{.}}{{/w}}", "xy"),
        ("{{#o}}{{#a}}{{b}}{{v}}{{/a}}{{/o}}", "deepouter"),
        ("{{#o}}{{b.c}}{{/o}}", "C"),
        ("{{#b}}{{b.c}}|{{c}}{{/b}}", "C|C"),
        ("a{{! comment\n }}b", "ab"),
        ("{{=<% %>=}}<%n%>{{n}}<%={{ }}=%>{{n}}", "1{{n}}1"),
        ("| A\n  {{#t}}\n| B\n  {{/t}}\n| C\n", "| A\n| B\n| C\n"),
        ("{{>p}}|{{>nothing}}", "[1]|"),
        ("  {{>q}}\n>", "  a\n  b\n>"),
        ("{{o}}{{w}}", "map[a:map[b:deep]][x y]"),
    ],
)
def test_what_each_tag_writes(source: str, output: str) -> None:
    assert render_mustache(source, DATA, 10_000, {"p": "[{{n}}]", "q": "a\nb\n"}) == output


@pytest.mark.parametrize("source", ["{{#a}}", "{{/a}}", "{{#a}}{{/b}}", "{{a", "{{=x}}", "{{{a}}"])
def test_a_malformed_template_is_an_error_with_its_place_and_nothing_for_a_script(source: str) -> None:
    with pytest.raises(TemplateError, match=r"^template:1: "):
        render_mustache(source, DATA, 10_000)
    assert Templates().mustache(source, DATA) == ""
