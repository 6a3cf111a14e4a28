"""A mail as bytes: whatever its author or a visitor wrote, it holds the headers it should and no others."""

from __future__ import annotations

import email
import time
from email.policy import default

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.reach.mail_message import Attachment, Mail, envelope, recipients
from protocol.errors import CallRefused

HOSTILE = [
    "x\r\nBcc: evil@x.org",
    "x\nBcc: evil@x.org",
    "x\rBcc: evil@x.org",
    "x\r\n\r\nbody",
    "x\u2028Bcc: evil@x.org",
    "x\x85Bcc: evil@x.org",
    "x\0y",
    "=?utf-8?q?x=0ABcc=3A_evil=40x.org?=",
    "=?utf-8?b?eA0KQmNjOiBldmlsQHgub3Jn?=",
    "=?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3D0ABcc=3A_e=40x.org=3F=3D?=",
    "a =?utf-8?q?x=0ABcc=3A_evil=40x.org",
    "=?idna?q?x?=",
    "\u202egnp.exe",
    "\ud800",
    "x" * 5_000,
    "x@y" * 300,
    '"><script>',
    "a@b.org, c@d.org",
    "<a@b.org>",
    "a@b.org>",
    "@",
    "a@b@c",
    "a@[127.0.0.1]",
    "(comment)a@b.org",
    "a@b.org (comment)",
    "group: a@b.org;",
    "' OR 1=1 --",
    "../../etc/passwd",
    "",
    " ",
]
OUR_HEADERS = {"From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version"}
OF_A_BODY = {"Content-Type", "Content-Transfer-Encoding", "Content-Disposition"}


def check(mail: Mail) -> None:
    """It is refused, or its bytes say just what it says."""
    try:
        ready = envelope(mail, "nFlow <n@example.com>", 100_000)
    except CallRefused:
        return
    parsed = email.message_from_bytes(ready.message, policy=default)
    assert set(parsed.keys()) <= OUR_HEADERS | OF_A_BODY
    assert len(parsed.keys()) == len(set(parsed.keys()))
    assert "Bcc" not in parsed
    assert all(each.count("@") == 1 and each.isascii() and "\n" not in each for each in ready.recipients)
    assert len(ready.recipients) <= len(mail.to) + len(mail.cc) + len(mail.bcc)
    assert max(len(line) for line in ready.message.split(b"\r\n")) <= 998


def mails(text: str) -> list[Mail]:
    """The text in each place a text can stand."""
    good = ("a@b.org",)
    return [
        Mail(to=(text,)),
        Mail(to=(f"{text} <a@b.org>",)),
        Mail(to=(f'"{text}" <a@b.org>',)),
        Mail(to=(f"{text}@b.org",)),
        Mail(to=(f"a@{text}",)),
        Mail(to=good, cc=(text,)),
        Mail(to=good, bcc=(text,)),
        Mail(to=good, reply_to=text),
        Mail(to=good, subject=text),
        Mail(to=good, text=text),
        Mail(to=good, html=text, text=text),
        Mail(to=good, attachments=(Attachment(text, b"x"),)),
        Mail(to=good, attachments=(Attachment("x", b"x", text),)),
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_in_any_place_becomes_a_header_or_a_recipient(text: str) -> None:
    for mail in mails(text):
        check(mail)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_nor_does_any_other(text: str) -> None:
    for mail in mails(text):
        check(mail)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a@b.org", ("a@b.org",)),
        ("a@b.org, c@d.org;e@f.org", ("a@b.org", "c@d.org", "e@f.org")),
        ('"Doe, John" <j@b.org>, a@b.org', ('"Doe, John" <j@b.org>', "a@b.org")),
        (["a@b.org", "c@d.org, e@f.org"], ("a@b.org", "c@d.org", "e@f.org")),
        ("", ()),
        (" , ;", ()),
        (None, ()),
    ],
)
def test_recipients_are_read_as_authors_write_them(written: object, read: tuple[str, ...]) -> None:
    assert recipients(written, "to") == read


def test_a_subject_encoded_by_hand_is_what_it_says() -> None:
    ready = envelope(Mail(to=("a@b.org",), subject="=?utf-8?q?Gr=C3=BC=C3=9Fe?="), "n@example.com", 10_000)
    assert email.message_from_bytes(ready.message, policy=default)["Subject"] == "Grüße"


def test_one_recipient_named_twice_gets_one_mail() -> None:
    ready = envelope(Mail(to=("a@b.org", "A <a@b.org>"), bcc=("a@b.org",)), "n@example.com", 10_000)
    assert ready.recipients == ("a@b.org",)


def test_a_sender_that_is_no_address_is_named() -> None:
    with pytest.raises(CallRefused, match=r"the sender \(\[mail\] from\)"):
        envelope(Mail(to=("a@b.org",)), "", 10_000)


@pytest.mark.parametrize(
    "mail",
    [
        Mail(to=("a" + " " * 80_000 + "b",), text="x"),
        Mail(to=(" " * 80_000 + "b",), text="x"),
        Mail(to=("a@b.org",), reply_to="a" + " " * 80_000 + "b", text="x"),
        Mail(to=("a@b.org",), subject="=?utf-8?q?" * 80_000, text="x"),
    ],
    ids=["spaces inside", "spaces before", "reply to", "subject"],
)
def test_hostile_lines_are_refused_before_they_are_looked_through(mail: Mail) -> None:
    began = time.perf_counter()
    with pytest.raises(CallRefused):
        envelope(mail, "n@example.com", 1_000_000)
    with pytest.raises(CallRefused, match="sender"):
        envelope(Mail(to=("a@b.org",), text="x"), "a" + " " * 500_000 + "b", 1_000_000)
    assert time.perf_counter() - began < 0.25


def test_a_subject_that_was_encoded_by_hand_may_be_as_long_as_any() -> None:
    subject = "ñ" * 900
    by_hand = " ".join(f"=?utf-8?q?{'=C3=B1' * 9}?=" for _ in range(100))
    ready = envelope(Mail(to=("a@b.org",), subject=by_hand, text="x"), "n@example.com", 100_000)
    assert email.message_from_bytes(ready.message, policy=default)["Subject"] == subject
