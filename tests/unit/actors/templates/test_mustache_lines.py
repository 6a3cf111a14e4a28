"""Mustache and the lines of a text: which tags take their line along, how partials are indented, where tags end."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest

from actors.templates.failure import TemplateError, TemplateLimit
from actors.templates.mustache import MAX_DEPTH, render_mustache
from actors.templates.mustache_parser import MAX_NESTED
from actors.templates.templates import MAX_SOURCE, Templates

DATA: dict[str, Any] = {
    "a": True, "b": True, "l": [1, 2], "none": [], "first": "Ada", "last": "Byron", "n": 7, "o": {"k": "<k>"},
    "shout": "function (text) { return text }", "tag": "{{n}}",
}  # fmt: skip
PARTIALS = {"p": "one\n\n  two\n", "flat": "flat", "nested": "<\n  {{>p}}\n>\n", "multi": "{{{lines}}}\n"}

LINES = [
    # A tag that follows another one on its line is not alone there, whatever follows.
    ("{{first}}{{#last}} {{last}}{{/last}}\nnext", "Ada Byron\nnext"),
    ("{{#a}}{{.}}{{/a}}\nnext", "true\nnext"),
    ("{{#a}}{{/a}}\nnext", "\nnext"),
    ("{{n}}{{!note}}\nnext", "7\nnext"),
    ("{{n}}{{>flat}}\nnext", "7flat\nnext"),
    ("{{!x}}{{!y}}\nnext", "\nnext"),
    ("  {{!x}} {{!y}}  \nnext", "     \nnext"),
    ("{{n}}{{=<% %>=}}\n<%n%>", "7\n7"),
    ("{{!two\nlines}}{{#a}}\nx{{/a}}", "\nx"),
    # A tag alone on its line takes it along, whatever stood on the line before.
    ("{{#a}}\n  {{#b}}\n  x\n  {{/b}}\n{{/a}}\n", "  x\n"),
    ("{{!x}}\n\t{{!y}}\n  {{!z}}\nend", "end"),
    ("{{#a}}\n{{n}}\n{{/a}}\n{{^a}}\n{{/a}}\nend", "7\nend"),
    ("{{#l}}\n  {{#a}}\n    {{.}}\n  {{/a}}\n{{/l}}\n", "    true\n    true\n"),
    ("  {{=<% %>=}}  \n  <%#a%>\n  <%n%>\n  <%/a%>\n", "  7\n"),
    ("x\n\n  {{#a}}\n\n  {{/a}}\n\ny", "x\n\n\n\ny"),
    # Tabs indent as spaces do, before and after.
    ("\t{{#a}}\t\n\tx\n \t {{/a}} \nend", "\tx\nend"),
    ("\t{{>p}}\n", "\tone\n\n\t  two\n"),
    # At the end of the text a line ends too.
    ("x\n{{#a}}\ny\n{{/a}}", "x\ny\n"),
    ("x\n  {{!note}}  ", "x\n"),
    ("{{!note}}", ""),
    ("x\n{{n}}", "x\n7"),
    ("x{{#a}}\n{{/a}}", "x\n"),
    # Line ends of other systems.
    ("{{#a}}\r\n\t{{#b}}\r\n\tx\r\n\t{{/b}}\r\n{{/a}}\r\nend", "\tx\r\nend"),
    ("{{#a}}{{.}}{{/a}}\r\nnext", "true\r\nnext"),
    ("x\r\n{{!note}}", "x\r\n"),
    ("x\r{{!note}}\ry", "x\ry"),
    # Partials: each of their lines is indented, the values in them are not, and no line is left over.
    ("{{#a}}\n  {{>p}}\n{{/a}}\n", "  one\n\n    two\n"),
    ("{{#a}}\n  {{>flat}}\n{{/a}}\n", "  flat"),
    (" {{>nested}}\nend", " <\n   one\n\n     two\n >\nend"),
    ("  {{>multi}}\nend", "  1\n2\nend"),
    ("  {{>p}}{{!x}}\nend", "  one\n\n  two\n\nend"),
    ("x {{>p}}\nend", "x one\n\n  two\n\nend"),
    ("{{#l}}\n  {{>flat}}\n{{/l}}\n", "  flat  flat"),
]


@pytest.mark.parametrize(("source", "output"), LINES)
def test_the_lines_of_a_text(source: str, output: str) -> None:
    data = {**DATA, "lines": "1\n2"}
    assert render_mustache(source, data, 10_000, PARTIALS) == output


@pytest.mark.parametrize(("source", "output"), [case for case in LINES if "\r" not in case[0]])
def test_lines_that_end_with_cr_lf_are_the_same_lines(source: str, output: str) -> None:
    data = {**DATA, "lines": "1\r\n2"}
    partials = {name: text.replace("\n", "\r\n") for name, text in PARTIALS.items()}
    assert render_mustache(source.replace("\n", "\r\n"), data, 10_000, partials) == output.replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("source", "output"),
    [
        # Delimiters: any blanks between and around them, one pair after another, up to the end of the text.
        ("{{=<%\t%>=}}<%n%>", "7"),
        ("{{=<%\n%>=}}<%n%>", "7"),
        ("{{=\r\n <%\t \n%>\t=}}<%n%>", "7"),
        ("{{#a}}{{=| |=}}|n||={{ }}=|{{n}}{{=[ ]=}}[/a][n]{{n}}", "777{{n}}"),
        ("{{=<% %>=}}<%#a%><%={{ }}=%>{{n}}{{=<% %>=}}<%/a%><%n%>", "77"),
        ("{{={ }=}}{n}{{o.k}}", "7<k>"),
        ("{{=<% %>=}}<%{o.k}%><%&o.k%><%o.k%>", "<k><k>&lt;k&gt;"),
        # Blanks within a tag.
        ("{{\tn\t}}{{\nn\n}}{{& n }}{{{\tn }}}", "7777"),
        ("{{#\ta }}x{{/ a\n}}{{^ none}}y{{/none }}{{> flat\t}}", "xyflat"),
        ("{{ #a }}x{{ /a }}{{ ^none }}y{{ /none }}{{ ! note }}{{ >flat }}{{ &n }}{{ =<% %>=}}<% n %>", "xyflat77"),
        # What looks like a function, or like a tag, is a text.
        ("{{#shout}}{{n}}{{/shout}}|{{{shout}}}|{{tag}}{{{tag}}}", f"7|{DATA['shout']}|{{{{n}}}}{{{{n}}}}"),
        # The optional parts of the specification are none of ours: such names are just not there.
        ("{{>*first}}{{<p}}{{$p}}|", "|"),
        # The dot of an inverted section is the one around it.
        ("{{#o}}{{^k.x}}{{{k}}}{{#k}}{{^none}}{{.}}{{/none}}{{/k}}{{/k.x}}{{/o}}", "<k>&lt;k&gt;"),
        ("}} {n} { {n} }", "}} {n} { {n} }"),
        ("{{}}{{.none.}}|", "|"),
    ],
)
def test_where_a_tag_begins_and_ends(source: str, output: str) -> None:
    assert render_mustache(source, DATA, 10_000, PARTIALS) == output


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("a\nb{{", 2),
        ("a\n\n{{#a}}\n\n{{n}}", 3),
        ("{{#a}}\n{{#b}}\n{{/a}}\n{{/b}}", 3),
        ("x\r\n{{/a}}", 2),
        ("\n{{=<%%>=}}", 2),
        ("\n{{=< % >=}}", 2),
        ("\n{{= =}}", 2),
        ("{{{n}}\n", 1),
        ("{{=<% %>=}}\n<%n}}", 2),
    ],
)
def test_a_malformed_template_is_told_with_its_line(source: str, line: int) -> None:
    with pytest.raises(TemplateError, match=f"^template:{line}: ") as failed:
        render_mustache(source, DATA, 10_000)
    assert failed.value.line == line
    assert not isinstance(failed.value, TemplateLimit)
    assert Templates().mustache(source, DATA) == ""


HOSTILE = {
    "open tags": "{{",
    "open sections": "{{#a}}",
    "open texts": "{{{a",
    "sections": "{{#a}}{{/a}}",
    "comments": "{{!}}",
    "comments alone": "  {{!}}  \r\n",
    "blanks": " " * 1_000 + "{{#a}}{{/a}}",
    "blanks in tags": "{{" + " " * 1_000 + "#a}}{{/a}}",
    "delimiters": "{{=<% %>=}}<%={{ }}=%>",
    "names": "{{n}}",
    "long names": "{{" + "a." * 50_000 + "a}}",
    "nothing": "{{^none}}{{/none}}",
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_the_longest_of_hostile_texts_is_soon_read(piece: str) -> None:
    source = piece * (MAX_SOURCE // len(piece))
    begun = time.monotonic()
    with contextlib.suppress(TemplateLimit):
        Templates().mustache(source, DATA)
    assert time.monotonic() - begun < 10  # it takes a third of a second at most; in quadratic time, minutes


def test_sections_nest_up_to_a_limit() -> None:
    nested = "{{#a}}" * MAX_NESTED + "x" + "{{/a}}" * MAX_NESTED
    assert render_mustache(nested, DATA, 10) == "x"
    with pytest.raises(TemplateLimit, match="sections nest deeper"):
        Templates().mustache("{{#a}}" + nested + "{{/a}}", DATA)
    with pytest.raises(TemplateLimit, match="nest deeper"):
        render_mustache("{{>p}}", DATA, 10, {"p": nested.replace("x", "{{>p}}")})


def test_long_names_over_deep_data_are_paid_for() -> None:
    data: dict[str, Any] = {"l": [0] * 10_000, "a": ""}
    for _ in range(899):
        data["a"] = {"a": data["a"]}
    with pytest.raises(TemplateLimit, match="steps"):
        render_mustache("{{#l}}{{" + ".".join("a" * 900) + "}}{{/l}}", data, 10_000)


@pytest.mark.parametrize(
    ("partials", "told"),
    [
        ({f"p{n}": f"{{{{>p{n + 1}}}}}" * 2 for n in range(MAX_DEPTH - 1)} | {f"p{MAX_DEPTH - 1}": "x"}, "steps"),
        ({"p0": " {{>p0}}\n" + "x\n" * 10_000}, "longer than"),
        ({"p0": "x\n" * 100_000}, "longer than"),
        ({"p0": "{{>p0}}"}, "deeper than"),
    ],
    ids=["exponential", "indented within themselves", "indented far", "endless"],
)
def test_partials_that_grow_end(partials: dict[str, str], told: str) -> None:
    with pytest.raises(TemplateLimit, match=told):
        render_mustache(" " * 100 + "{{>p0}}\n", DATA, 1_000_000, partials)


def test_half_a_surrogate_pair_is_replaced() -> None:
    assert render_mustache("{{a}}\ud800{{b}}", {"a": "\udfff", "b": "é"}, 10) == "??é"
