"""Which plugins there are, and every reason for which a server does not start with them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from actors.plugins import discovery
from actors.plugins.author.plugin import Plugin
from actors.plugins.author.tags import function, node
from actors.plugins.roster import Order, Roster, roster
from protocol.errors import BadDocument
from tests.unit.actors.plugins.conftest import Write

GOOD = "class P(Plugin):\n @function\n async def f(self): return 1"


def load(folder: Path, names: tuple[str, ...] = (), **tables: Any) -> Roster:
    return roster(Order(names, folder, tables))


def faults(found: Roster) -> list[str]:
    return [str(problem) for problem in found.problems]


def test_every_file_of_the_folder_is_a_plugin_but_those_that_begin_with_an_underscore(write: Write) -> None:
    folder = write(
        greeter=GOOD, _shared="raise ValueError('never loaded')", steps="@node('s')\nasync def s(payload): 0"
    )
    (folder / "notes.txt").write_text("no plugin")
    (folder / ".hidden.py").write_text("syntax error(")
    package = folder / "big"
    package.mkdir()
    (package / "__init__.py").write_text("from nflow_plugins.big.part import node_it")
    (package / "part.py").write_text(
        "from nflow_runtime import node\n@node('b')\nasync def node_it(payload): return payload"
    )
    found = load(folder).whole()
    assert [member.description.name for member in found.members] == ["big", "greeter", "steps"]
    assert list(found.members[0].description.nodes) == ["b"]


def test_a_file_is_loaded_by_its_path_and_the_folder_is_not_importable(write: Write) -> None:
    folder = write(json="from nflow_plugins._kept import X\nclass P(Plugin):\n @function\n async def f(self): return X")
    (folder / "_kept.py").write_text("X = 5")
    before = list(sys.path)
    (member,) = load(folder).whole().members
    assert sys.path == before
    assert type(member.description.plugin).__module__ == "nflow_plugins.json"
    assert sys.modules["json"].__name__ == "json"
    assert "dumps" in vars(sys.modules["json"])


def test_an_edited_file_is_read_anew_by_the_next_runtime(write: Write) -> None:
    folder = write(a="class P(Plugin):\n @function\n async def one(self): 1")
    assert list(load(folder).members[0].description.functions) == ["a.one"]
    write(a="class P(Plugin):\n @function\n async def another(self): 1")
    assert list(load(folder).members[0].description.functions) == ["a.another"]


def test_the_list_chooses_and_orders_and_nothing_else_is_even_loaded(write: Write) -> None:
    folder = write(a=GOOD, b=GOOD, broken="1/0")
    assert [each.description.name for each in load(folder, ("b", "a")).whole().members] == ["b", "a"]
    assert load(folder, ("goja", "mail")).whole().members == ()


def test_a_name_that_is_nowhere_is_an_error_that_says_what_is_there(write: Write) -> None:
    assert faults(load(write(greeter=GOOD), ("greter",))) == [
        "plugin.plugins: there is no plugin greter; found: greeter"
    ]


def test_the_default_folder_may_be_missing_another_one_not(tmp_path: Path) -> None:
    assert load(Path("plugins")).whole().members == ()
    assert faults(load(tmp_path / "nope")) == [f"plugin.folder: {tmp_path}/nope is no folder"]


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("x = 1\n1/0", 4, "ZeroDivisionError: division by zero"),
        ("def f(:", 3, "SyntaxError"),
        ("import no_such_module", 3, "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(1)", 3, "SystemExit: 1"),
        ("raise KeyboardInterrupt", 3, "KeyboardInterrupt"),
        ("class P(Plugin):\n  def __init__(self): self.x = nothing", 4, "NameError"),
        ("class P(Plugin):\n  def functions(self): return [1][2]", 4, "IndexError"),
        ("@node\ndef f(payload): return 1", 3, "TypeError: @node needs the type of the node"),
    ],
)
def test_a_broken_file_is_named_with_its_line_and_what_it_raised(
    write: Write, text: str, place: int, says: str
) -> None:
    folder = write(broken=text, good=GOOD)
    found = load(folder)
    (fault,) = faults(found)
    assert fault.startswith(f"{folder}/broken.py:{place}: {says}")
    assert "good" in [member.description.name for member in found.members]
    with pytest.raises(BadDocument):
        found.whole()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1", "holds no Plugin and nothing tagged"),
        ("class P(Plugin):\n name = 'no good'", "'no good' is no name for a plugin"),
        ("class P(Plugin):\n name = 5", "5 is no name for a plugin"),
        ("class P(Plugin):\n name = 'threads'", "threads is a key of [plugin]"),
        ("class P(Plugin):\n @function('a b')\n async def f(self): 1", "a script cannot call 'p.a b'"),
        ("class P(Plugin):\n @function\n async def then(self): 1", "a script cannot call 'p.then'"),
        ("class P(Plugin):\n name='my-p'\n @function\n async def f(self): 1", "a script cannot call 'my-p.f'"),
        ("class P(Plugin):\n name='http'\n @function\n async def f(self): 1", "scripts know another http already"),
        ("class P(Plugin):\n @function('parseInt', plain=True)\n async def f(self): 1", "another parseInt already"),
        ("class P(Plugin):\n @function\n async def f(self, *, x): 1", "nobody can give x"),
        ("class P(Plugin):\n @function\n async def f(self): yield 1", "is a generator"),
        ("class P(Plugin):\n @function(seconds=-1)\n async def f(self): 1", "seconds must be a number above 0"),
        ("@node('n')\nasync def f(): 1", "must take 1 argument beside `context`"),
        ("@node('n')\nasync def f(payload, other): 1", "must take 1 argument beside `context`"),
        ("@node('js')\nasync def f(payload): 1", "nodes of type js are the runtime's own"),
        ("@node('')\nasync def f(payload): 1", "'' is no type of nodes"),
        ("@node('n')\nasync def f(payload): 1\n@node('n')\nasync def g(payload): 1", "is there twice: p.py:"),
        ("class P(Plugin):\n @action\n async def a(self, x, y): 1", "must take 0 or 1 arguments"),
        ("class P(Plugin):\n @action\n async def a(self, x: 'Nothing'): 1", "the annotation Nothing cannot be read"),
        ("class P(Plugin):\n @action\n async def a(self, x: threading.Lock): 1", "@action a"),
        ("class P(Plugin):\n @action('a/b')\n async def a(self): 1", "'a/b' is no name for an action"),
        ("class P(Plugin):\n async def run(self): 1", "run: must take 1 argument"),
    ],
)
def test_what_a_plugin_cannot_offer_is_told_at_the_start(write: Write, text: str, says: str) -> None:
    found = faults(load(write(p=text)))
    assert len(found) == 1, found
    assert says in found[0]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"a": "class P(Plugin): name = 'x'", "b": "class P(Plugin): name = 'x'"}, "the plugin x is also in"),
        ({"a": "@node('n')\nasync def f(payload): 1", "b": "@node('n')\nasync def g(payload): 1"}, "are also done by"),
        (
            {
                "a": "class P(Plugin):\n @function('hi', plain=True)\n async def f(self): 1",
                "b": "class P(Plugin):\n @function('hi', plain=True)\n async def f(self): 1",
            },
            "hi is given to scripts by",
        ),
        (
            {
                "a": "class P(Plugin):\n @function('b', plain=True)\n async def f(self): 1",
                "b": "class P(Plugin):\n @function\n async def f(self): 1",
            },
            "b is given to scripts by",
        ),
        (
            {
                "a": "class P(Plugin):\n async def authenticate(self, request): 1",
                "b": "class P(Plugin):\n async def authenticate(self, request): 1",
            },
            "authenticates, as a",
        ),
    ],
)
def test_names_that_two_claim_are_errors_that_name_both(write: Write, files: dict[str, str], says: str) -> None:
    folder = write(**files)
    (fault,) = faults(load(folder))
    assert says in fault
    assert f"{folder}/a.py" in fault
    assert f"{folder}/b.py" in fault


DATACLASS = """
from dataclasses import dataclass
@dataclass
class C:
    apiKey: str
    retries: int = 3
class P(Plugin):
    Config = C
"""
MODEL = """
import pydantic
class C(pydantic.BaseModel):
    apiKey: pydantic.SecretStr
    retries: int = 3
    @pydantic.field_validator("apiKey", mode="before")
    @classmethod
    def long(cls, value):
        if value == "tooshort": raise ValueError(f"{value} is too short")
        return value
class P(Plugin):
    Config = C
"""
CALLABLE = """
def configured(table):
    if int(table["apiKey"]) < 0: raise ValueError("negative")
    return table
class P(Plugin):
    Config = staticmethod(configured)
"""


@pytest.mark.parametrize("kind", [DATACLASS, MODEL])
def test_a_configuration_s_faults_are_told_with_their_keys_and_without_values(write: Write, kind: str) -> None:
    folder = write(p=kind)
    assert faults(load(folder)) == ["plugin.p.apiKey: Field required"]
    found = faults(load(folder, p={"apiKey": "s3cretvalue", "retries": "s3cretmany", "retires": "s3crettoo"}))
    assert sorted(found)[0] == "plugin.p.retires: unknown key; the nearest known one is retries"
    assert sorted(found)[1].startswith("plugin.p.retries: Input should be a valid integer")
    assert "s3cret" not in "".join(found)


def test_an_author_s_own_checks_do_not_tell_a_value_either(write: Write) -> None:
    assert faults(load(write(p=MODEL), p={"apiKey": "tooshort"})) == ["plugin.p.apiKey: *** is too short"]
    folder = write(p=CALLABLE)
    assert faults(load(folder)) == ["plugin.p.apiKey: missing"]
    (fault,) = faults(load(folder, p={"apiKey": "s3cret"}))
    assert fault == "plugin.p: ValueError: invalid literal for int() with base 10: '***'"


def test_a_good_configuration_is_what_start_gets(write: Write) -> None:
    (member,) = load(write(p=DATACLASS), p={"apiKey": "k"}).whole().members
    assert (member.config.apiKey, member.config.retries) == ("k", 3)
    (member,) = load(write(p="class P(Plugin): pass"), p={"any": [1]}).whole().members
    assert member.config == {"any": [1]}


def test_a_table_without_its_plugin_is_an_error_unless_the_plugin_was_left_out(write: Write) -> None:
    folder = write(a=GOOD, b=GOOD)
    (problem,) = load(folder, c={}).problems
    assert (str(problem), problem.fatal) == ("plugin.c: there is no plugin of this name; loaded: a, b", True)
    (problem,) = load(folder, ("a",), b={}).problems
    assert not problem.fatal


def test_entry_points_are_plugins_too(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        def __init__(self, name: str, thing: Any) -> None:
            self.name, self.value, self.thing = name, f"package:{name}", thing

        def load(self) -> Any:
            if isinstance(self.thing, Exception):
                raise self.thing
            return self.thing

    class Made(Plugin):
        @function
        async def f(self) -> int:
            return 1

    @node("pointed")
    async def pointed(payload: Any) -> Any:
        return payload

    points = [Point("made", Made), Point("object", Made()), Point("tagged", pointed), Point("odd", 5)]
    monkeypatch.setattr(discovery, "entry_points", lambda group: points if group == "nflow.plugins" else [])
    found = load(write(a=GOOD))
    assert [each.name for each in found.described] == ["a", "made", "object", "odd", "tagged"]
    assert faults(found) == ["entry point odd = package:odd: is a int, not a Plugin, a module or a tagged function"]
    points[:] = [Point("a", Made), Point("bad", ImportError("no wheel"))]
    found = load(write(a=GOOD))
    assert "is called a too" in faults(found)[0]
    assert "entry point bad = package:bad: ImportError: no wheel" in faults(found)


def test_a_program_hands_its_plugins_in() -> None:
    class Mine(Plugin):
        @function
        async def f(self) -> int:
            return 1

    @node("handed")
    def step(payload: Any) -> Any:
        return payload

    found = roster(Order(given=(Mine(), step))).whole()
    assert [each.description.name for each in found.members] == ["mine", "step"]


def test_a_decorator_only_tags() -> None:
    def plain(payload: Any) -> Any:
        return payload

    assert node("x")(plain) is plain
    assert plain(5) == 5
    assert function(plain) is plain
