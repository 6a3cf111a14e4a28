"""The rules of the static analysis: nFlow's vectors, its false alarms and its misses, and texts made to hurt."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.guards.analysis.analyzer import Analyzer
from actors.guards.analysis.rules import BUILT_IN, RuleSet, rule_set
from actors.modules.defaults import default_sources
from protocol.errors import BadDocument
from protocol.formats.findings import Finding

VECTORS = json.loads((Path(__file__).parents[4] / "data" / "analysis_vectors.json").read_text("utf-8"))
"""What the Go program's analyzer said of 28 scripts."""
DIFFERENCES = {
    "Function('a')": ("function_constructor", 1, "without `new` it makes a function just the same"),
    'require("fs/promises")': ("file_system_access", 1, "the same module by its other name"),
    "re.exec(s)": ("", 0, "of a regular expression, not of a process"),
    "respawned()": ("", 0, "a name that only holds the letters"),
    "for (;;i++){}": ("infinite_loop", 1, "counting does not end it"),
    "process.env.X = 1": ("global_assignment", 1, "a property of a property is global too"),
    "process.x == 1": ("", 0, "compares, does not assign"),
    "require(`fs`)": ("file_system_access", 1, "a template without values is a literal"),
    "// eval(": ("", 0, "a comment"),
    "globalThis['ev'+'al'](1)": ("eval_usage", 12, "the name is written in two pieces"),
}
"""Deliberate: script → the rule found instead (empty: none), its column, and why."""

ANALYZER = Analyzer(RuleSet())


def found(script: str, analyzer: Analyzer = ANALYZER) -> list[tuple[str, int]]:
    """Rules and columns."""
    return [(finding.type, finding.column) for finding in analyzer.analyze(script)]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["script"])
def test_what_go_says_of_a_script_is_said_or_differs_on_purpose(vector: dict[str, object]) -> None:
    script = str(vector["script"])
    if script in DIFFERENCES:
        rule, column, _ = DIFFERENCES[script]
        assert found(script) == ([(rule, column)] if rule else [])
    else:
        assert [finding._asdict() for finding in ANALYZER.analyze(script)] == vector["issues"]


def test_every_difference_from_go_is_one_still() -> None:
    by_script = {vector["script"]: vector["issues"] for vector in VECTORS}
    for script in DIFFERENCES:
        assert [finding._asdict() for finding in ANALYZER.analyze(script)] != by_script[script]


CAUGHT = {
    "eval_usage": (
        'globalThis["eval"]', "(0,eval)('1')", "eval?.('1')", "ev\\u0061l('1')", "ev\\u{61}l('1')", "eval`1`",
        "const e = eval; e('1')", "const g = globalThis; g['ev' + 'al']('1')", "[eval][0]('1')",
        "eval.call(null, '1')",
        "const k = 'ev' + 'al'; globalThis[k]('1')", "this['eval'](1)", "globalThis[['ev', 'al'].join('')]('1')",
        "globalThis[`e${'va'}l`]('1')", "globalThis[String.fromCharCode(101, 118, 97, 108)]('1')",
        "globalThis[atob('ZXZhbA==')]('1')", "window['lave'.split('').reverse().join('')](1)", "x ? eval : 1",
        "setTimeout('alert(1)')", "setTimeout(`a${x}`)", "setInterval('a' + x, 1)", "return eval('1')",
        "const r = await eval('1')", "function main() { return eval(payload.code) }", "({eval})", "f(eval)",
        "globalThis[['a', 'eval'][1]](1)",
    ),
    "function_constructor": (
        "Function('..')", "new (Function)('x')", "new globalThis.Function('x')", "window.Function('x')",
        "Function`x`()",
        "Function.apply(null, ['x'])", "Reflect.construct(Function, ['x'])", "const F = Function; F('x')",
        "(async () => {}).constructor('x')", "(function* () {}).constructor('x')",
        "Object.getPrototypeOf(async function () {}).constructor('x')", "[].constructor.constructor('return 1')()",
        "[]['constructor']['constructor']('return 1')()", "''.sub.constructor('x')()", "Object.constructor('x')",
        "(() => 1).__proto__.constructor('x')", "(0, Function)('x')",
    ),
    "file_system_access": (
        "require('fs/promises')", "require('node:fs')", "require(`fs`)", "import('fs')", "import fs from 'fs'",
        "require('f' + 's')", "export * from 'node:fs/promises'", "require.call(null, 'fs')",
        "require.apply(null, ['fs'])", "globalThis.require('fs')", "(0, require)('fs')",
    ),
    "child_process": (
        "exec('ls')", "cp.spawn('ls')", "require('node:child_process')", "x.execSync('ls')", "import('child_process')",
    ),
    "network_access": ("require('node:https')", "import net from 'net'", "require('dgram')", "require('http2')"),
    "infinite_loop": (
        "while(!0){}", "for(;;i++){}", "for(;true;){}", "while('a' === 'a'){}", "const T = true; while(T){}",
        "while([]){}",
        "x: while(1){ while(1) continue x }", "while(true){ if(false) break }", "while(true){ continue; break }",
        "while(1){ switch(a){ case 1: break } }", "while(1){ [1].forEach(() => { return 1 }) }",
        "while(1){ try { throw 1 } catch (e) {} }", "while(1){ for (const a of b) break }",
        "while(1) async () => { await x }",
        "while(1){ while(1){} break }", "do ; while(!'')", "while(1){ for(;false;) break }",
    ),
    "global_assignment": (
        "process.env.X += 1", "delete window.x", "globalThis.y++", "global['x'] = 1", "(window).x = 1",
        "window.a.b ||= 2",
    ),
    "dynamic_require": ("require(a + 'b')", "import(name)", "require(`./${x}`)"),
    "dangerous_regex": ("/(a+)+$/", "/([a-z]+)*$/", "new RegExp('(a+)+$')", "/(?<!a)b/", "RegExp('(?!x)')",
    "/(a{2,})+/"),
    "buffer_constructor": ("Buffer(3)", "new (Buffer)(3)"),
}  # fmt: skip
"""Rule → scripts that Go misses."""


@pytest.mark.parametrize(("rule", "script"), [(rule, script) for rule in CAUGHT for script in CAUGHT[rule]])
def test_what_is_spelled_another_way_is_found(rule: str, script: str) -> None:
    assert rule in {name for name, _ in found(script)}


INNOCENT = (
    "/x/.exec(s)", "regex.exec(s)", "respawned()", "medieval(1)", "/* eval(1) */", "'eval(1)'", "`eval(1)`", '"spawn"',
    "typeof eval", "x === eval", "({eval: 1})", "class A { eval(x) { return 1 } }", "if (process.x === 2) {}",
    "while(true){ break }", "while(1){ return 1 }", "while(1){ throw 1 }", "while(true){ await x }",
    "function* f(){ while(1) yield 1 }", "for(;;){ if(a) break }", "a: for(;;){ while(1){ break a } }",
    "while(1){ switch(a){ case 1: return 2 } }", "try { while(1){ throw 1 } } catch(e){}",
    "for(;;){ for await (const x of y) {} }", "while(1){ if (x) { y() } else { break } }", "do {} while(i < 3)",
    "while(false){}", "while(x){}", "setTimeout(f, 100)", "setTimeout(() => {}, 1)", "setTimeout(a + b)",
    "require('lodash')", "new this.constructor(1)", "x.constructor.name", "const spawn = 1; spawn",
    "function exec(a){} exec(1)", "const {exec} = tools; exec(1)", "Function.prototype.call.call(f)",
    "x instanceof Function", "typeof x === 'function' && x.constructor === Function", "({type: Function})",
    "let process = {}; process.x = 1", "/a+b*/", "/(?=a)/", "/^(\\w+)@(\\w+)$/", "/(?:a{1,3})+/", "/[(+)]+/",
    "new RegExp(name)", "a.exec('x')", "y = {spawn: 1}", "a.require", "z.Function", "x.while(true)", "", "  \n",
    "// nothing",
    "function main() { return 1 }\nif (x) return 2", "const r = await http.get(url); return r",
    "for (key in params) { payload[key] = params[key] }", "err.name = 'x'", "#!/bin/sh\nreturn 1",
)  # fmt: skip


@pytest.mark.parametrize("script", INNOCENT)
def test_what_only_looks_like_it_is_left_alone(script: str) -> None:
    assert found(script) == []


def test_our_own_modules_are_beyond_reproach() -> None:
    assert {name: found(source) for name, source in default_sources().items() if found(source)} == {}


def test_a_finding_says_where_it_is_in_the_authors_text() -> None:
    script = "function main() {\n  // ñandú, не, 😀\n  const t = 'ñandú 😀'; eval(t)\n}\nreturn await eval('2')"
    first, second = ANALYZER.analyze(script)
    assert (first.line, first.column) == (3, script.splitlines()[2].index("eval") + 1)
    assert (second.line, second.column) == (5, 14)


def test_a_snippet_has_forty_characters_around_and_says_where_it_is_cut() -> None:
    (finding,) = ANALYZER.analyze("x" * 50 + "; eval(1);" + "y" * 50)
    assert finding.snippet == "..." + "x" * 38 + "; eval(1);" + "y" * 36 + "..."


def test_what_cannot_be_read_yields_nothing_and_the_rest_is_looked_at() -> None:
    assert found("eval(1); @@ eval(2) @@; eval(3)") == [("eval_usage", 1), ("eval_usage", 25)]
    assert found("eval(") == []


def test_severities_are_adjustable_and_rules_can_be_switched_off() -> None:
    rules = rule_set({"eval_usage": "low", "infinite_loop": "high", "buffer_constructor": "off"}, {}, ())
    findings = Analyzer(rules).analyze("eval(1); while(1){} new Buffer(3)")
    assert [(finding.type, finding.severity) for finding in findings] == [
        ("eval_usage", "low"),
        ("infinite_loop", "high"),
    ]


def test_own_rules_look_at_code_but_not_at_comments() -> None:
    rules = rule_set({"no_console": "medium"}, {"no_console": r"console\s*\.\s*log", "no_pi": "3\\.14"}, ())
    script = "// ñ console.log\n/* 3.14\n*/ é = 3.14; console.log(é)"
    findings = Analyzer(rules).analyze(script)
    assert [(each.type, each.severity, each.line, each.column) for each in findings] == [
        ("no_pi", "high", 3, 8),
        ("no_console", "medium", 3, 14),
    ]


def test_everything_wrong_with_the_rules_is_told_with_its_path() -> None:
    with pytest.raises(BadDocument) as wrong:
        rule_set({"evil": "high", "eval_usage": "huge"}, {"bad": "(", "eval_usage": "x", "empty": "x*"}, ("nothing",))
    assert sorted(problem.path for problem in wrong.value.problems) == [
        "security.allowed_patterns", "security.rules.bad", "security.rules.empty", "security.rules.eval_usage",
        "security.severities.eval_usage", "security.severities.evil",
    ]  # fmt: skip
    assert "eval_usage" in str(wrong.value.problems[-1].message), "the rules that there are"


def test_of_one_rule_a_hundred_findings_are_kept_and_none_of_another_is_lost() -> None:
    counts = [name for name, _ in found("eval(1);" * 5_000 + "require('fs')")]
    assert counts.count("eval_usage") == 100
    assert counts.count("file_system_access") == 1


def test_a_script_beyond_the_bound_is_one_finding() -> None:
    (finding,) = ANALYZER.analyze("eval(1);" + " " * (256 << 10))
    assert (finding.type, finding.severity) == ("too_large", "medium")
    assert Analyzer(rule_set({"too_large": "off"}, {}, ())).analyze(" " * (300 << 10)) == ()


SIZE = 256 << 10
HOSTILE = {
    "brackets": "[" * SIZE,
    "balanced brackets": "[" * (SIZE // 2) + "]" * (SIZE // 2),
    "blocks": "{" * (SIZE // 2) + "}" * (SIZE // 2),
    "objects that may be blocks": "{a:" * (SIZE // 3),
    "arrows": "a=>" * (SIZE // 3) + "a",
    "patterns": "(a=" * (SIZE // 4) + "1" + ")" * (SIZE // 4),
    "quotes": "'" * SIZE,
    "templates": "`${" * (SIZE // 5) + "1" + "}`" * (SIZE // 5),
    "loops": "while(1){" * (SIZE // 10) + "}" * (SIZE // 10),
    "loops, awaiting": "while(1) await " * (SIZE // 15) + "x",
    "a sum": "'a'+" * (SIZE // 4 - 1) + "'a'",
    "calls": "setTimeout(" * (SIZE // 12) + "'a'" + ")" * (SIZE // 12),
    "members": "x" + ".constructor" * (SIZE // 12),
    "members of calls": "x" + ".constructor()" * (SIZE // 14),
    "indexes": "globalThis[" * (SIZE // 12) + "'eval'" + "]" * (SIZE // 12),
    "constants": "const a0='ab';" + "".join(f"const a{n}=a{n - 1}+a{n - 1};" for n in range(1, 9_000)),
    "arguments": "f(Function," * (SIZE // 12) + ")" * (SIZE // 12),
    "labels": "a:" * (SIZE // 2),
    "not": "while(" + "!" * 100_000 + "0){}",
    "a regular expression": "/" + "(" * 100_000 + ")" * 100_000 + "/",
    "noise": "\0\ud800\udfff" * 60_000,
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_texts_made_to_hurt_are_done_with_in_time(name: str) -> None:
    began = time.process_time()
    ANALYZER.analyze(HOSTILE[name])
    assert time.process_time() - began < 15.0, "seconds of CPU; two are the parser's deadline, half is ordinary"


WORDS = st.sampled_from(
    ("eval", "Function", "require", "(", ")", "[", "]", "{", "}", "'fs'", "'", '"', "`", "${", "while", "for",
     "(;;)", ";",
     "break", "return", "await", "yield", "try", "catch", "=>", "=", "+", ".", "constructor", "globalThis",
     "\\u0061", "/",
     "*", "//", "/*", "\n", " ", "const", "a", "1", ",", ":", "?", "new", "class", "function", "async", "do",
     "if", "else",
     "switch", "case", "throw", "continue", "label", "delete", "typeof", "!", "0", "é", "\ud800", "\0", "😀")
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS, max_size=60).map("".join) | st.lists(WORDS, max_size=60).map(" ".join) | st.text())
def test_no_text_makes_it_raise_and_every_finding_is_in_the_text(script: str) -> None:
    lines = script.split("\n")
    for finding in Analyzer(rule_set({}, {"letter": "[a-z]{5,}"}, ())).analyze(script):
        assert isinstance(finding, Finding)
        assert finding.type in {*BUILT_IN, "letter"}
        assert 1 <= finding.line <= len(lines)
        assert 1 <= finding.column <= len(lines[finding.line - 1])


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([(rule, script) for rule in CAUGHT for script in CAUGHT[rule] if "import " not in script]),
    st.data(),
)
def test_what_is_found_alone_is_found_within_a_larger_script(case: tuple[str, str], data: st.DataObject) -> None:
    rule, script = case
    before = data.draw(
        st.sampled_from(("", "const z = 1;\n", "/* eval( */\n", "function q() { return /[/*]/.test('x') }\n"))
    )
    found_rules = {name for name, _ in found(f"{before}{{\n{script}\n}}\n")}
    assert rule in found_rules
