"""The default modules as a set: what the compiler and the designer are given."""

from __future__ import annotations

import pytest

from actors.modules.defaults import default_modules, default_sources, template_node_source
from protocol.formats import read
from protocol.formats.reach import changes_built_ins, needs_of

NAMES = {
    "json", "form", "if_equals", "if_major", "js_set_var", "js_foreach", "_js_foreach", "parser_query_param",
    "mustache", "template", "Validate Login", "ValidateToken1", "Logout", "_end",
    "twilio_send_sms", "twilio_validate_sms",
}  # fmt: skip


def test_every_module_of_nflow_is_there() -> None:
    assert set(default_modules()) == NAMES
    assert set(default_sources()) == NAMES | {"node:template"}


def test_a_manifest_says_what_the_designer_asks() -> None:
    for name, module in default_modules().items():
        assert set(module.manifest) == {
            "title", "in", "out", "icon", "boxcolor", "fontcolor", "custom", "editable", "hide", "param",
        }  # fmt: skip
        assert (module.manifest["param"]["type"], module.manifest["param"]["script"]) == ("js", name)


@pytest.mark.parametrize("name", [*sorted(NAMES), None])
def test_modules_are_sent_no_more_than_they_read_and_share_a_warm_realm(name: str | None) -> None:
    source = template_node_source() if name is None else default_sources()[name]
    assert not changes_built_ins(source)
    assert needs_of(source) <= {"query", "query_string", "fields", "endpoint", "url_base"}


def test_a_node_finds_its_module_by_name() -> None:
    node = '{"data": {"type": "js", "script": "Validate Login"}, "outputs": {}}'
    start = (
        '{"data": {"type": "starter", "method": "GET", "urlpattern": "/x"},'
        ' "outputs": {"output_1": {"connections": [{"node": "n"}]}}}'
    )
    reading = read(f'{{"drawflow": {{"F": {{"data": {{"s": {start}, "n": {node}}}}}}}}}', "app", default_sources())
    assert reading.problems == ()
    script = reading.flows[0].nodes["n"].script
    assert script is not None
    assert script.source == default_sources()["Validate Login"]
