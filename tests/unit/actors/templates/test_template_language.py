"""The language of Go's templates: what each construct means. The expectations are Go's own answers."""

from __future__ import annotations

from typing import Any

import pytest

from actors.templates.failure import TemplateError
from actors.templates.templates import render_template

DATA: dict[str, Any] = {
    "s": "<b>é", "n": 1, "f": 1.5, "z": None, "t": True, "e": "", "none": [],
    "l": [1, "a", None, [2]], "m": {"b": 2, "a": {"x": 1}}, "u": [{"k": "x"}, {"k": "y"}],
}  # fmt: skip


def rendered(source: str, data: Any = DATA) -> str:
    return render_template(source, data, 100_000)


@pytest.mark.parametrize(
    ("source", "output"),
    [
        # values
        ("{{.n}}{{.t}}{{.f}}", "1true1.5"),
        ("[{{.missing}}{{.z}}{{.missing.x.y}}{{.m.q}}]", "[]"),
        ("{{.l}} {{.m}}", "[1 a &lt;nil&gt; [2]] map[a:map[x:1] b:2]"),
        ("{{.m.a.x}} {{(.m).b}} {{(index .u 1).k}}", "1 2 y"),
        ("{{$}}", "map["),
        ("{{\"q\\n\"}}{{`r\\n`}}{{'a'}}{{0x10}}{{1_000}}{{1e6}}{{1.0}}{{-3}}", "q\nr\\n97161000" + "1e&#43;061-3"),
        ("{{true}}{{false}}", "truefalse"),
        # white space and comments
        ("x {{- 1 -}} y", "x1y"),
        ("a {{- /* c */ -}} b{{/* c */}} c", "ab c"),
        ("{{ .n\n}}", "1"),
        # pipelines
        ('{{.s | printf "%s-%s" "x"}}', "x-&lt;b&gt;é"),
        ('{{1 | print 2}} {{"a" | len}}', "2 1 1"),
        ("{{print (len .l) (print .n)}}", "41"),
        # variables
        ("{{$x := 1}}{{if .n}}{{$x = 2}}{{end}}{{$x}}", "2"),
        ("{{$x := 1}}{{if .n}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"),
        ("{{$m := .m}}{{$m.a.x}}{{$.n}}", "11"),
        ("{{if $v := .n}}{{$v}}{{end}}{{with $v := .m}}{{$v.b}}{{.b}}{{end}}", "122"),
        # branches
        ("{{if .e}}a{{else if .n}}b{{else}}c{{end}}", "b"),
        ("{{if .none}}a{{else}}b{{end}}{{if .z}}a{{else}}b{{end}}", "bb"),
        ("{{with .m}}{{.b}}{{$.n}}{{else}}no{{end}}{{with .e}}x{{else}}{{.n}}{{end}}", "211"),
        ("{{with .e}}x{{else with .n}}{{.}}{{end}}", "1"),
        # loops
        ("{{range .u}}{{.k}}{{end}}", "xy"),
        ("{{range $i, $e := .l}}{{$i}}={{$e}};{{end}}", "0=1;1=a;2=;3=[2];"),
        ("{{range $e := .u}}{{$e.k}}{{end}}", "xy"),
        ("{{range $k, $v := .m}}{{$k}}={{$v}};{{end}}", "a=map[x:1];b=2;"),
        ("{{range .none}}x{{else}}none{{end}}{{range .missing}}x{{else}}none{{end}}", "nonenone"),
        ("{{range 3}}{{.}}{{end}}{{range $i := 2}}{{$i}}{{end}}", "01201"),
        ("{{range $i, $e := .l}}{{if eq $i 1}}{{continue}}{{end}}{{if eq $i 3}}{{break}}{{end}}{{$i}}{{end}}", "02"),
        ("{{range .u}}{{range $.u}}{{.k}}{{break}}{{end}}{{.k}}{{end}}", "xxxy"),
        # templates
        ('{{define "a"}}[{{.}}]{{end}}{{template "a" .n}}{{template "a"}}', "[1][]"),
        ('{{block "b" .f}}B{{.}}{{end}}{{define "b"}}C{{.}}{{end}}', None),
        ('{{define "l"}}{{.v}}{{with .next}},{{template "l" .}}{{end}}{{end}}{{template "l" .}}', ""),
        # functions
        ("{{and 1 0 2}}{{or 0 .e .n}}{{not .e}}{{and .n .s | len}}", "01true5"),
        ("{{or .n (index .none 9)}}{{and .e (index .none 9)}}", "1"),
        ("{{len .s}}{{len .l}}{{len .m}}", "542"),
        ('{{index .l 1}}{{index .m "a" "x"}}{{index .m "q"}}{{index .s 1}}', "a198"),
        ("{{slice .s 1 2}}{{slice .l 1}}{{slice .l 0 2}}", "b[a &lt;nil&gt; [2]][1 a]"),
        ('{{print .missing 1 2 "a" 3}}|{{println .n "x"}}', "&lt;nil&gt; 1 2a3|1 x\n"),
        ("{{html .s}}{{.s | html}}{{js .s}}{{urlquery .s 1}}", "&lt;b&gt;é&lt;b&gt;é\\u003Cb\\u003Eé%3Cb%3E%C3%A91"),
        ("{{unescapeHTML .s}}{{.s | unescapeHTML}}", "<b>é<b>é"),
        # comparisons
        ('{{eq .n 1}}{{eq .n 3 1}}{{eq .s "x"}}{{ne .n 2}}', "truetruefalsetrue"),
        ("{{eq .missing nil}}{{eq .z nil}}{{eq .missing 1}}{{eq .t true}}", "truetruefalsetrue"),
        ('{{lt 1 2}}{{le .n 1}}{{gt .n 0}}{{ge .n 2}}{{lt "a" "b"}}', "truetruetruefalsetrue"),
        ("{{eq .f 1.5}}{{lt 1 .f}}{{eq 1 1.0}}", "truetruetrue"),
    ],
)
def test_what_each_construct_writes(source: str, output: str | None) -> None:
    if output is None:
        with pytest.raises(TemplateError, match="multiple definition"):
            rendered(source)
    elif source == "{{$}}":
        assert rendered(source).startswith(output)
    else:
        assert rendered(source) == output


def test_the_recorded_page_of_go() -> None:
    source = "{{range .items}}[{{.n}}]{{end}} {{.h}} {{.h | unescapeHTML}}"
    assert rendered(source, {"items": [{"n": 1}, {"n": 2}], "h": "<b>"}) == "[1][2] &lt;b&gt; <b>"


def test_a_template_may_include_itself() -> None:
    tree = {"v": 1, "next": {"v": 2, "next": {"v": 3, "next": None}}}
    source = '{{define "l"}}{{.v}}{{with .next}},{{template "l" .}}{{end}}{{end}}{{template "l" .}}'
    assert rendered(source, tree) == "1,2,3"


@pytest.mark.parametrize("data", [None, 5, "x", [1], True])
def test_any_json_value_is_data(data: Any) -> None:
    assert rendered("{{if .}}yes{{end}}", data) in ("yes", "")


@pytest.mark.parametrize(
    ("source", "line", "reason"),
    [
        ("a\n{{.x", 2, "unclosed action"),
        ("{{if .x}}", 1, "{{if}} has no {{end}}"),
        ("\n\n{{end}}", 3, "unexpected {{end}}"),
        ("{{else}}", 1, "unexpected {{else}}"),
        ("{{if}}{{end}}", 1, "missing value for if"),
        ("{{}}", 1, "missing value for command"),
        ("{{.a | nothing}}", 1, 'function "nothing" not defined'),
        ("{{$y}}", 1, 'undefined variable "$y"'),
        ("{{if .n}}{{$y := 1}}{{end}}{{$y}}", 1, 'undefined variable "$y"'),
        ('{{"a}}', 1, "unterminated quoted string"),
        ("{{`a}}", 1, "unterminated raw quoted string"),
        ("{{/* a }}", 1, "unclosed comment"),
        ("{{break}}", 1, "{{break}} outside {{range}}"),
        ('{{if .n}}{{define "x"}}{{end}}{{end}}', 1, "{{define}} must stand at the top level"),
        ('{{template "zz"}}', 1, 'no such template "zz"'),
        ("{{.n 1}}", 1, "n is not a method but has arguments"),
        ("{{1 2}}", 1, "can't give argument to non-function 1"),
        ('{{"a" | "b"}}', 1, "non executable command"),
        ("{{.a-b}}", 1, "bad character '-'"),
        ("{{nil}}", 1, "nil is not a command"),
        ("{{1.5.2}}", 1, "unexpected '.2' in operand"),
        ("{{'ab'}}", 1, "malformed character constant"),
        ('{{"\\q"}}', 1, "invalid syntax in a string"),
        ("{{(.n}}", 1, "parenthesized pipeline"),
        ("{{.n)}}", 1, "unexpected ')'"),
        ("{{call .n}}", 1, "error calling call: not supported"),
        # when it runs
        ("\n{{.z.x}}", 2, "nil value evaluating .x"),
        ("{{.s.x}}", 1, "can't evaluate field x in type string"),
        ("{{index .l 9}}", 1, "error calling index: index out of range: 9"),
        ("{{index .missing 1}}", 1, "index of untyped nil"),
        ("{{index .m 1}}", 1, "should be string"),
        ("{{len 3}}", 1, "len of type int64"),
        ('{{eq .n "a"}}', 1, "incompatible types for comparison: int64 and string"),
        ("{{eq .l .l}}", 1, "non-comparable type"),
        ("{{eq .n}}", 1, "missing argument for comparison"),
        ("{{not}}", 1, "wrong number of args for not: want 1 got 0"),
        ("{{range .s}}{{end}}", 1, "range can't iterate over"),
        ("{{range $i, $e := 3}}{{end}}", 1, "more than one variable"),
        ("{{slice .l 9}}", 1, "index out of range: 9"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(source: str, line: int, reason: str) -> None:
    with pytest.raises(TemplateError) as caught:
        rendered(source)
    assert str(caught.value).startswith(f"template:{line}: ")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ('{{printf "%v|%d|%s|%5.2f" .missing .n .s .f}}', "&lt;nil&gt;|1|&lt;b&gt;é| 1.50"),
        ('{{printf "%x %X %o %b %c %U" 255 255 8 5 65 65}}', "ff FF 10 101 A U&#43;0041"),
        ('{{printf "%t %e %g" true 1.5 1.5}}', "true 1.500000e&#43;00 1.5"),
        ('{{printf "%08.3f|%-5d|%5s|%-5s|%+d" 3.14159 5 "a" "b" 5}}', "0003.142|5    |    a|b    |&#43;5"),
        ('{{printf "%d"}}', "%!d(MISSING)"),
        ('{{printf "%d" .f}}', "%!d(float64=1.5)"),
        ('{{printf "%s" .n}}', "%!s(int64=1)"),
        ('{{printf "a" .n "x"}}', "a%!(EXTRA int64=1, string=x)"),
        ('{{printf "%%%"}}', "%%!(NOVERB)"),
        ('{{printf "%q %v %T" "a\\"\\n" .m .l}}', "&#34;a\\&#34;\\n&#34; map[a:map[x:1] b:2] []interface {}"),
        ('{{printf "%*d|%.*f" 4 7 1 2.55}}', "   7|2.5"),
    ],
)
def test_printf_is_that_of_go(source: str, output: str) -> None:
    assert rendered(source) == output


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.5, "1.5"),
        (1e21, "1e+21"),
        (1e20, "1e+20"),
        (123456789.5, "1.234567895e+08"),
        (100000.5, "100000.5"),
        (1e-5, "1e-05"),
        (0.0001, "0.0001"),
        (-0.25, "-0.25"),
        (3, "3"),
        (9007199254740993, "9007199254740993"),
        (2**70, "1.1805916207174113e+21"),
    ],
)
def test_numbers_are_written_as_go_writes_them(value: float, text: str) -> None:
    assert rendered("{{unescapeHTML .}}", value) == text
