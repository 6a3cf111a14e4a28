"""Multipart bodies: what browsers and tools send becomes fields and files, and anything else a clear refusal."""

from __future__ import annotations

import contextlib
import random

import pytest

from gateway.bodies.multipart import MAX_PARTS, parse_multipart
from gateway.translate import parse_body
from protocol.errors import BadDocument
from protocol.process import Upload

TYPE = "multipart/form-data; boundary=XX"


def part(disposition: str, data: bytes, *headers: str) -> bytes:
    lines = [f"Content-Disposition: form-data; {disposition}", *headers]
    return b"--XX\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + data + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--XX--\r\n"


def test_fields_and_files_come_in_order() -> None:
    fields, files = parse_multipart(
        TYPE,
        body(
            part('name="a"', b"1"),
            part('name="f"; filename="x.txt"', b"hello", "Content-Type: text/x-own; charset=utf-8"),
            part('name="a"', "ñ".encode()),
            part('name="f"; filename="y.bin"', b"\x00\xff\r\n--X"),
            part('name="empty"', b""),
        ),
    )
    assert fields == (("a", "1"), ("a", "ñ"), ("empty", ""))
    assert files == (
        Upload("f", "x.txt", "text/x-own; charset=utf-8", b"hello"),
        Upload("f", "y.bin", "text/plain", b"\x00\xff\r\n--X"),
    )


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('name="f"; filename="../../etc/passwd"', "passwd"),
        ('name="f"; filename="C:\\\\dir\\\\x.txt"', "x.txt"),
        ('name="f"; filename="C:\\dir\\x.txt"', "x.txt"),
        ('name="f"; filename="a%22b.txt"', 'a"b.txt'),
        ('name="f"; filename="ñ €.txt"', "ñ €.txt"),
        ("name=f; filename=plain.txt", "plain.txt"),
        ('name="f"; filename="a/"', "a"),
    ],
)
def test_a_file_name_is_never_a_path(disposition: str, name: str) -> None:
    _, files = parse_multipart(TYPE, body(part(disposition, b"x")))
    assert [file.name for file in files] == [name]


def test_a_file_input_left_empty_is_an_empty_field() -> None:
    empty = part('name="f"; filename=""', b"", "Content-Type: application/octet-stream")
    assert parse_multipart(TYPE, body(empty)) == ((("f", ""),), ())


def test_parts_without_a_name_are_passed_over() -> None:
    assert parse_multipart(TYPE, body(part("x=1", b"x"), part('name=""', b"y"), part('name="a"', b"z"))) == (
        (("a", "z"),),
        (),
    )


def test_an_empty_form_is_one() -> None:
    assert parse_multipart(TYPE, b"--XX--\r\n") == ((), ())


def test_text_that_is_not_utf8_is_replaced() -> None:
    assert parse_multipart(TYPE, body(part('name="a"', b"\xff")))[0] == (("a", "\ufffd"),)


@pytest.mark.parametrize(
    ("content_type", "data", "wrong"),
    [
        ("multipart/form-data", body(), "names no boundary"),
        ("multipart/form-data; boundary=", body(), "names no boundary"),
        (f"multipart/form-data; boundary={'b' * 201}", body(), "names no boundary"),
        (TYPE, b"", "Unexpected end"),
        (TYPE, b"nonsense", "Unexpected end"),
        (TYPE, b"--YY\r\n", "Unexpected end"),
        (TYPE, part('name="a"', b"1"), "Unexpected end"),
        (TYPE, b"--XX\nContent-Disposition: form-data; name=a\n\n1\n--XX--", "line break"),
        (TYPE, b"--XX\r\n\r\n1\r\n--XX--\r\n", "Content-Disposition"),
        (TYPE, b"--XX\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--XX--\r\n", "Content-Disposition"),
        (TYPE, b"--XX\r\nno colon\r\n\r\n1\r\n--XX--\r\n", "header"),
        (TYPE, b"--XX\r\n\xff: a\r\n\r\n1\r\n--XX--\r\n", "header"),
        (TYPE, body(part('name="a"', b"1", "Content-Length: 5")), "Content-Length"),
        (TYPE, body(part('name="a"', b"1", *["X: y"] * 16)), "16 headers"),
        (TYPE, body(part(f'name="{"a" * 9_000}"', b"1")), "8192 bytes"),
        (TYPE, body(*[part('name="a"', b"1")] * (MAX_PARTS + 1)), "1000 parts"),
    ],
)
def test_what_is_wrong_is_said(content_type: str, data: bytes, wrong: str) -> None:
    with pytest.raises(BadDocument, match=wrong) as refused:
        parse_multipart(content_type, data)
    assert refused.value.problems[0].path == "body"


def test_as_many_parts_as_allowed_are() -> None:
    assert len(parse_multipart(TYPE, body(*[part('name="a"', b"1")] * MAX_PARTS))[0]) == MAX_PARTS


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n--X" * 1_000_000,
        b"--XX\r\n" + b"a" * 5_000_000,
        b"--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n" + b"\r" * 5_000_000,
        b"--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n" + b"\r\n--X" * 1_000_000 + b"\r\n--XX--",
        b"--XX\r\nContent-Disposition: form-data" + b"; a=b" * 500_000 + b"\r\n\r\n",
        b'--XX\r\nContent-Disposition: form-data; name="' + b"\\" * 8_000 + b"\r\n\r\n\r\n--XX--",
    ],
)
def test_hostile_bodies_take_time_in_proportion(data: bytes) -> None:
    """Quadratic work would take minutes on these."""
    with contextlib.suppress(BadDocument):
        parse_multipart(TYPE, data)


def test_any_bytes_are_an_answer_or_a_refusal() -> None:
    generator = random.Random(3)
    whole = body(part('name="a"; filename="f"', b"data", "Content-Type: x/y"), part('name="b"', b"2"))
    for _ in range(3_000):
        broken = bytearray(whole)
        for _ in range(generator.randint(1, 6)):
            at = generator.randrange(len(broken))
            broken[at : at + generator.randint(0, 3)] = generator.randbytes(generator.randint(0, 3))
        with contextlib.suppress(BadDocument):
            parse_multipart(TYPE, bytes(broken))


def test_only_forms_are_taken_apart() -> None:
    data = body(part('name="a"', b"1"))
    assert parse_body('Multipart/Form-Data; boundary="XX"', data)[0] == (("a", "1"),)
    assert parse_body("multipart/mixed; boundary=XX", data) == ((), ())
    assert parse_body("application/json", b"{}") == ((), ())
    assert parse_body("", b"a=1") == ((), ())
    assert parse_body("application/x-www-form-urlencoded; charset=utf-8", b"a=1&a=%C3%B1") == (
        (("a", "1"), ("a", "ñ")),
        (),
    )
