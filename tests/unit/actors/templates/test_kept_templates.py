"""The door: what is kept between renderings, and what is not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from actors.templates.failure import TemplateError, TemplateLimit
from actors.templates.templates import MAX_KEPT, MAX_SOURCE, Templates


def test_a_kept_template_shows_nothing_of_its_last_rendering() -> None:
    templates = Templates()
    source = "{{$x := .a}}{{if .b}}{{$x = .b}}{{end}}{{range .l}}{{$x}}{{.}}{{end}}{{.c}}"
    assert templates.go(source, {"a": 1, "b": 2, "l": [3], "c": "secret"}) == "23secret"
    assert templates.go(source, {"l": [4]}) == "4"
    assert templates.mustache("{{a}}", {"a": "secret"}) == "secret"
    assert templates.mustache("{{a}}", {}) == ""


def test_a_rendering_that_failed_leaves_the_next_one_right() -> None:
    templates = Templates(limit_chars=100)
    for _ in range(1_000):
        with pytest.raises(TemplateError):
            templates.go("{{index .l 9}}", {"l": []})
        with pytest.raises(TemplateLimit):
            templates.go("{{range 1000}}x{{end}}", None)
    assert templates.go("{{index .l 9}}", {"l": list(range(10))}) == "9"


def test_what_is_kept_is_bounded() -> None:
    templates = Templates()
    for n in range(MAX_KEPT * 10):
        assert templates.go(f"{n}{{{{.}}}}", n) == f"{n}{n}"
        assert templates.mustache(f"{n}{{{{.}}}}", n) == f"{n}{n}"
    assert len(templates._programs) <= MAX_KEPT
    assert len(templates._compiled) <= MAX_KEPT


def test_a_template_longer_than_its_limit_is_refused() -> None:
    for render in (Templates().go, Templates().mustache):
        with pytest.raises(TemplateLimit, match="longer than"):
            render("x" * (MAX_SOURCE + 1), None)


def test_the_data_is_never_changed() -> None:
    data = {"l": [3, 1, 2], "m": {"b": 1, "a": 2}}
    Templates().go("{{range .l}}{{.}}{{end}}{{range .m}}{{.}}{{end}}{{slice .l 1}}{{.}}", data)
    Templates().mustache("{{#l}}{{.}}{{/l}}{{m.clear}}{{l.sort}}", data)
    assert data == {"l": [3, 1, 2], "m": {"b": 1, "a": 2}}


def test_the_sandbox_can_import_it_without_a_loop_or_a_network() -> None:
    code = (
        "import sys, actors.templates.templates;"
        "print([m for m in ('asyncio', 'socket', 'ssl', 'urllib', 'http', 'email', 'logging') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.strip() == "[]"
