"""Escaping by the place in the page: the table of html/template's documentation, and what its authors thought of."""

from __future__ import annotations

from typing import Any

import pytest

from actors.templates.failure import TemplateError
from actors.templates.templates import render_template

EVIL = "O'Reilly: How are <i>you</i>?"
DATA: dict[str, Any] = {
    "x": EVIL, "js": "javascript:alert(1)", "u": "http://x/?a=b&c", "o": {"b": "</script>", "a": [1, None, True, 1.5]},
    "n": 42, "z": None, "e": "", "css": "#f00", "badcss": "expression(alert(1))", "h": "<b title='1>2'>Hi</b> &amp;",
    "t": True, "l": ["<a>", "<b>"], "tpl": "${x}`", "name": "title", "bad": "onclick",
}  # fmt: skip


def rendered(source: str) -> str:
    return render_template(source, DATA, 100_000)


@pytest.mark.parametrize(
    ("source", "output"),
    [
        # the documentation's table
        ("{{.x}}", "O&#39;Reilly: How are &lt;i&gt;you&lt;/i&gt;?"),
        ("<a title='{{.x}}'>", "<a title='O&#39;Reilly: How are &lt;i&gt;you&lt;/i&gt;?'>"),
        ('<a href="/{{.x}}">', '<a href="/O%27Reilly:%20How%20are%20%3ci%3eyou%3c/i%3e?">'),
        ('<a href="?q={{.x}}">', '<a href="?q=O%27Reilly%3a%20How%20are%20%3ci%3eyou%3c%2fi%3e%3f">'),
        ("<a onx='f(\"{{.x}}\")'>", "<a onx='f(\"O\\u0027Reilly: How are \\u003ci\\u003eyou\\u003c\\/i\\u003e?\")'>"),
        ("<script>x={{.x}};</script>", '<script>x="O\'Reilly: How are \\u003ci\\u003eyou\\u003c/i\\u003e?";</script>'),
        # attributes
        ("<a title={{.x}}>", "<a title=O&#39;Reilly:&#32;How&#32;are&#32;&lt;i&gt;you&lt;/i&gt;?>"),
        ("<input value={{.e}}>", "<input value=ZgotmplZ>"),
        ('<input value="{{.e}}{{.z}}">', '<input value="">'),
        ("<input {{.name}}=1 {{.bad}}=2 {{.x}}>", "<input title=1 ZgotmplZ=2 ZgotmplZ>"),
        ("<p title={{if .t}}{{.n}}{{end}}>", "<p title=42>"),
        ("<input {{if .t}}checked{{end}} name=n>", "<input checked name=n>"),
        # URLs
        ('<a href="{{.js}}">', '<a href="#ZgotmplZ">'),
        ("<a href={{.js}}>", "<a href=#ZgotmplZ>"),
        ('<a href="{{.u}}">', '<a href="http://x/?a=b&amp;c">'),
        ('<a href="{{if .t}}/p{{else}}/q{{end}}/{{.n}}">', '<a href="/p/42">'),
        ('<a data-href="{{.js}}" xlink:href="{{.js}}">', '<a data-href="#ZgotmplZ" xlink:href="#ZgotmplZ">'),
        ('<form action="{{.js}}"><img src="{{.js}}">', '<form action="#ZgotmplZ"><img src="#ZgotmplZ">'),
        ('<img srcset="{{.u}} 2x, {{.js}}">', '<img srcset="http://x/?a=b&amp;c 2x, #ZgotmplZ">'),
        ('<meta content="0; url={{.js}}">', '<meta content="0; url=#ZgotmplZ">'),
        # a page in an attribute is read twice
        ('<iframe srcdoc="<p>{{.o.b}}">', '<iframe srcdoc="<p>&amp;lt;/script&amp;gt;">'),
        ("<iframe srcdoc={{.o.b}}>", "<iframe srcdoc=&amp;lt;/script&amp;gt;>"),
        ('<iframe srcdoc="{{unescapeHTML .o.b}}">', '<iframe srcdoc="&lt;/script&gt;">'),
        ('<iframe data-srcdoc="{{.o.b}}">', '<iframe data-srcdoc="&lt;/script&gt;">'),
        # scripts
        ("<script>var o={{.o}},n={{.n}},z={{.z}}</script>",
         '<script>var o={"a":[1,null,true,1.5],"b":"\\u003c/script\\u003e"},n= 42 ,z= null </script>'),
        ("<script>var s='{{.o.b}}'</script>", "<script>var s='\\u003c\\/script\\u003e'</script>"),
        ("<script>var s=`{{.tpl}}`</script>", "<script>var s=`\\u0024\\u007bx\\u007d\\u0060`</script>"),
        ("<script>var s=`${ {{.n}} }`</script>", "<script>var s=`${  42  }`</script>"),
        ("<script>var r=/{{.u}}/</script>", "<script>var r=/http:\\/\\/x\\/\\?a=b\\u0026c/</script>"),
        ("<script>var r=/{{.e}}/</script>", "<script>var r=/(?:)/</script>"),
        ("<script>a /{{.n}}/ b</script>", "<script>a / 42 / b</script>"),
        ("<button onclick='go({{.x}})'>",
         "<button onclick='go(&#34;O&#39;Reilly: How are \\u003ci\\u003eyou\\u003c/i\\u003e?&#34;)'>"),
        ('<script type="text/template"><p>{{.x}}</p></script>',
         '<script type="text/template"><p>O&#39;Reilly: How are &lt;i&gt;you&lt;/i&gt;?</p></script>'),
        ('<script type="application/ld+json">{"a":{{.x}}}</script>',
         '<script type="application/ld+json">{"a":"O\'Reilly: How are \\u003ci\\u003eyou\\u003c/i\\u003e?"}</script>'),
        # styles
        ("<style>p{color:{{.css}};width:{{.n}}px;x:{{.badcss}}}</style>",
         "<style>p{color:#f00;width:42px;x:ZgotmplZ}</style>"),
        ('<p style="color:{{.css}};x:{{.badcss}}">', '<p style="color:#f00;x:ZgotmplZ">'),
        ('<style>p{b:url("{{.js}}")}</style>', '<style>p{b:url("#ZgotmplZ")}</style>'),
        ("<style>p{b:url({{.u}})}</style>", "<style>p{b:url(http://x/?a=b&c)}</style>"),
        ('<style>p{b:url("/x")}q{b:url({{.js}})}</style>', '<style>p{b:url("/x")}q{b:url(#ZgotmplZ)}</style>'),
        # text that is no HTML
        ("<textarea>{{.x}}</textarea>", "<textarea>O&#39;Reilly: How are &lt;i&gt;you&lt;/i&gt;?</textarea>"),
        ("<title>{{.h | unescapeHTML}}</title>", "<title>&lt;b title=&#39;1&gt;2&#39;&gt;Hi&lt;/b&gt; &amp;</title>"),
        # HTML by the author's word
        ("{{.h | unescapeHTML}}", "<b title='1>2'>Hi</b> &amp;"),
        ('<a title="{{.h | unescapeHTML}}">', '<a title="Hi &amp;">'),
        ("<script>{{.h | unescapeHTML}}</script>",
         "<script>\"\\u003cb title='1\\u003e2'\\u003eHi\\u003c/b\\u003e \\u0026amp;\"</script>"),
        # comments and stray brackets
        ("a<!-- {{.x}} -->b", "ab"),
        ("<script>a/* c */b// {{.x}}\nc</script>", "<script>a b\nc</script>"),
        ("<style>a{/* {{.x}} */}</style>", "<style>a{  }</style>"),
        ("1 < 2 {{.n}} <!DOCTYPE html>", "1 &lt; 2 42 <!DOCTYPE html>"),
        # the author's own escapers
        ("{{.x | html}}", "O&#39;Reilly: How are &lt;i&gt;you&lt;/i&gt;?"),
        ('<a href="?q={{.x | urlquery}}">', '<a href="?q=O%27Reilly%3A&#43;How&#43;are&#43;%3Ci%3Eyou%3C%2Fi%3E%3F">'),
        # one template, two places
        ('{{define "v"}}{{.}}{{end}}<p>{{template "v" .x}}</p><script>f({{template "v" .x}})</script>',
         "<p>O&#39;Reilly: How are &lt;i&gt;you&lt;/i&gt;?</p>"
         '<script>f("O\'Reilly: How are \\u003ci\\u003eyou\\u003c/i\\u003e?")</script>'),
        ("<ul>{{range .l}}<li title={{.}}>{{.}}{{end}}</ul>",
         "<ul><li title=&lt;a&gt;>&lt;a&gt;<li title=&lt;b&gt;>&lt;b&gt;</ul>"),
    ],
)  # fmt: skip
def test_a_value_is_escaped_for_its_place(source: str, output: str) -> None:
    assert rendered(source) == output


@pytest.mark.parametrize(
    ("source", "line", "reason"),
    [
        ("{{if .t}}<a{{end}}", 1, "branches end in different contexts"),
        ('\n{{if .t}}<a href="{{else}}<b>{{end}}', 2, "branches end in different contexts"),
        ("{{range .l}}<script>{{end}}", 1, "branches end in different contexts"),
        ("{{range .l}}{{if .}}<b {{break}}{{end}}{{end}}", 1, "at break or continue"),
        ("<a b=1 c={{.x}}", 1, "ends in a non-text context"),
        ("<script>", 1, "ends in a non-text context"),
        ("<a b='{{if .t}}\">{{end}}", 1, "ends in a non-text context"),
        ('<a href="{{if .t}}/p?q={{end}}{{.x}}">', 1, "ambiguous context within a URL"),
        ("<script>{{if .t}}x{{else}}y=0+{{end}}/{{.x}}/</script>", 1, "could start a division or regexp"),
        ("<a b=c'd>", 1, "in unquoted attr"),
        ('<a "b">', 1, "in attribute name"),
        ("<a =b>", 1, "expected space, attr name, or end of tag"),
        ("<script>/[{{.x}}]/</script>", 1, "unfinished JS regexp charset"),
        ("<script>'\\{{.x}}'</script>", 1, "unfinished escape sequence in JS string"),
        ("{{.x | html | print}}", 1, 'predefined escaper "html" disallowed'),
    ],
)
def test_a_page_whose_places_cannot_be_told_is_refused(source: str, line: int, reason: str) -> None:
    with pytest.raises(TemplateError) as caught:
        rendered(source)
    assert (caught.value.line, reason in caught.value.reason) == (line, True), caught.value
