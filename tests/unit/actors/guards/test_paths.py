"""Files below one folder: what a script's path may reach, also while somebody changes the folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from actors.guards import paths
from protocol.errors import CallRefused


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "in" / "deep").mkdir(parents=True)
    (root / "a.txt").write_text("a")
    (root / "in" / "b c.txt").write_text("b")
    (root / "in" / "inner").symlink_to("../a.txt")
    (root / "folder").symlink_to("in")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "up").symlink_to("..")
    (root / "loop").symlink_to("loop")
    (root / "gone").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "root2").mkdir()
    (tmp_path / "root2" / "a.txt").write_text("not this")
    (root / "beside").symlink_to(tmp_path / "root2")
    return root


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.txt", b"a"),
        ("./a.txt", b"a"),
        ("in//b c.txt", b"b"),
        ("in/inner", b"a"),
        ("folder/b c.txt", b"b"),
        ("folder/inner", b"a"),
    ],
)
def test_what_lies_below_the_root_is_read(root: Path, path: str, text: bytes) -> None:
    before = descriptors()
    assert paths.read_file(str(root), path, 10) == text
    assert descriptors() == before


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("", paths.MISSING),
        (".", paths.MISSING),
        ("none", paths.MISSING),
        ("none/a.txt", paths.MISSING),
        ("a.txt/x", paths.MISSING),
        ("in", paths.MISSING),
        ("in/deep/", paths.MISSING),
        ("pipe", paths.MISSING),
        ("gone", paths.MISSING),
        ("/etc/passwd", paths.OUTSIDE),
        ("../secret", paths.OUTSIDE),
        ("in/../../secret", paths.OUTSIDE),
        ("in/../a.txt", paths.OUTSIDE),
        ("out", paths.OUTSIDE),
        ("up/secret", paths.OUTSIDE),
        ("beside/a.txt", paths.OUTSIDE),
        ("a.txt\0.png", paths.OUTSIDE),
        ("a\ntxt", paths.OUTSIDE),
        ("x" * 5_000, paths.OUTSIDE),
        ("x" * 300, "Error"),
        ("loop", "Error"),
    ],
)
def test_nothing_else_is(root: Path, path: str, name: str) -> None:
    before = descriptors()
    for attempt in (
        lambda: paths.read_file(str(root), path, 10),
        lambda: paths.replace_file(str(root), path + ("" if name != paths.MISSING else "/x/y"), b"!"),
    ):
        with pytest.raises(CallRefused) as refused:
            attempt()
        assert str(root.parent) not in str(refused.value)
    with pytest.raises(CallRefused) as refused:
        paths.read_file(str(root), path, 10)
    assert refused.value.name == name
    assert descriptors() == before
    assert (root.parent / "secret").read_text() == "secret"


def test_a_link_put_there_between_look_and_open_is_not_followed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = paths._resolve

    def swapped(top: str, path: str) -> list[str]:
        parts = looked(top, path)
        (root / "in").rename(root / "was")
        (root / "in").symlink_to(tmp_path)
        (tmp_path / "b c.txt").write_text("secret")
        return parts

    monkeypatch.setattr(paths, "_resolve", swapped)
    with pytest.raises(CallRefused):
        paths.read_file(str(root), "in/b c.txt", 10)


def test_a_file_over_the_size_is_refused(root: Path) -> None:
    (root / "big").write_bytes(b"x" * 11)
    with pytest.raises(CallRefused, match=r"larger than 10 bytes \(files.max_kb\)"):
        paths.read_file(str(root), "big", 10)


def test_writing_makes_a_file_or_takes_its_place_whole(root: Path) -> None:
    (root / "a.txt").chmod(0o600)
    paths.replace_file(str(root), "a.txt", b"new")
    paths.replace_file(str(root), "in/made", b"made")
    paths.replace_file(str(root), "folder/inner", b"through the link")
    assert (root / "a.txt").read_text() == "through the link"
    assert (root / "a.txt").stat().st_mode & 0o777 == 0o600
    assert (root / "in" / "made").read_text() == "made"
    assert (root / "in" / "inner").is_symlink()
    assert [each for each in os.listdir(root) + os.listdir(root / "in") if each.startswith(".")] == []  # noqa: PTH208


@pytest.mark.parametrize("path", ["none/x", "in", "pipe", "out", "up/x", "../x", "/x", ""])
def test_writing_elsewhere_is_refused_and_leaves_nothing(root: Path, path: str) -> None:
    before = sorted(each.name for each in root.rglob("*"))
    with pytest.raises(CallRefused):
        paths.replace_file(str(root), path, b"x")
    assert sorted(each.name for each in root.rglob("*")) == before
    assert (root.parent / "secret").read_text() == "secret"


def test_a_root_that_is_no_folder_is_said_so(root: Path) -> None:
    with pytest.raises(CallRefused, match=r"files\.root is no folder"):
        paths.read_file(str(root / "none"), "a.txt", 10)
