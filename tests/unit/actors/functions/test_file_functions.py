"""`file_to_string` and `string_to_file`: off until allowed, below one folder, within one size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actors.functions.files import FileFunctions, FileSettings
from protocol.errors import CallRefused

CALLER: Any = None


def of(root: Path | str, *, enabled: bool = True, most: int = 100) -> FileFunctions:
    return FileFunctions(FileSettings(enabled, str(root), most))


async def test_a_text_that_was_written_is_read_again(tmp_path: Path) -> None:
    functions = of(tmp_path).functions()
    assert await functions["string_to_file"](CALLER, ["a.txt", "ñ\n"]) is None
    assert (tmp_path / "a.txt").read_bytes() == "ñ\n".encode()
    assert await functions["file_to_string"](CALLER, ["a.txt"]) == "ñ\n"


async def test_numbers_are_written_as_text(tmp_path: Path) -> None:
    await of(tmp_path).string_to_file(CALLER, ["n", 5])
    assert (tmp_path / "n").read_text() == "5"


async def test_bytes_that_are_no_text_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"a\xff")
    assert await of(tmp_path).file_to_string(CALLER, ["b"]) == "a\ufffd"


@pytest.mark.parametrize(
    ("enabled", "root", "key"),
    [(False, "/tmp", r"\[vm_pool\] enable_filesystem"), (True, "", r"\[files\] root")],
)
async def test_a_refusal_names_the_key(enabled: bool, root: str, key: str) -> None:
    functions = of(root, enabled=enabled)
    with pytest.raises(CallRefused, match=key):
        await functions.file_to_string(CALLER, ["a"])
    with pytest.raises(CallRefused, match=key):
        await functions.string_to_file(CALLER, ["a", "b"])


async def test_sizes_are_bounded_both_ways(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * 101)
    with pytest.raises(CallRefused, match=r"files\.max_kb"):
        await of(tmp_path).file_to_string(CALLER, ["big"])
    with pytest.raises(CallRefused, match=r"files\.max_kb"):
        await of(tmp_path).string_to_file(CALLER, ["new", "ñ" * 51])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("values", [[], [None], [{}], ["a"], ["a", None], ["a", []]])
async def test_wrong_arguments_are_type_errors(tmp_path: Path, values: list[Any]) -> None:
    with pytest.raises(CallRefused) as refused:
        await of(tmp_path).string_to_file(CALLER, values)
    assert refused.value.name == "TypeError"
