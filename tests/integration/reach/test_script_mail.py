"""Mails of scripts: nFlow's functions in either order of arguments, the manuals' object, and a run's own server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import pytest

from actors.functions.caller import Functions
from actors.functions.mail import MOST_RUNS, MailFunctions
from actors.guards.addresses import AddressGuard
from actors.kernel import ChildSpec, System
from actors.reach.mailer import Mailer, MailServer, MailSettings
from actors.reach.postman import LetterBox, Postman
from protocol.errors import CallRefused
from tests.integration.reach.conftest import calling
from tests.integration.reach.test_mailer import Inbox, mail_server


class Stage(NamedTuple):
    functions: Functions
    inbox: Inbox
    box: LetterBox
    port: int


async def read_file(path: str) -> bytes:
    if path != "reports/may.pdf":
        raise CallRefused(f"no file {path}", name="FileError")
    return b"%PDF"


@pytest.fixture
def inbox() -> Iterator[tuple[Inbox, int]]:
    inbox = Inbox()
    with mail_server(inbox) as port:
        yield inbox, port


@pytest.fixture
async def stage(inbox: tuple[Inbox, int]) -> AsyncIterator[Stage]:
    mails, port = inbox
    server = MailServer("127.0.0.1", port, sender="nflow@example.com")
    mailer = Mailer(MailSettings(server, AddressGuard(["127.0.0.1"])))
    await mailer.open()
    box = LetterBox()
    system = System()
    await system.start(ChildSpec("postman", lambda: Postman(box, mailer), shutdown_seconds=10.0))
    yield Stage(MailFunctions(mailer, box, read_file).functions(), mails, box, port)
    await system.stop()
    await mailer.close()


async def call(stage: Stage, name: str, *values: Any, wid: str = "w-1") -> Any:
    return await stage.functions[name](calling(wid), list(values))


@pytest.mark.parametrize(
    ("tail", "html", "files"),
    [
        (("", ""), False, []),
        ((), False, []),
        ((None, None), False, []),
        (("", "html"), True, []),
        (("html", ""), True, []),
        (("HTML",), True, []),
        (("text", ""), False, []),
        (("html", "html"), True, []),
        (("text", "html"), True, []),
        (("reports/may.pdf", "html"), True, ["may.pdf"]),
        (("html", "reports/may.pdf"), True, ["may.pdf"]),
        (("reports/may.pdf", ""), False, ["may.pdf"]),
        (("", "reports/may.pdf"), False, []),
    ],
)
async def test_format_and_attachment_are_understood_in_either_order(
    stage: Stage, tail: tuple[Any, ...], html: bool, files: list[str]
) -> None:
    assert await call(stage, "send_mail", "a@b.org", "Subject", "<b>x</b>", *tail) is True
    (mail,) = stage.inbox.mails
    body = mail.get_body(("html", "plain"))
    assert body is not None
    assert body.get_content_type() == ("text/html" if html else "text/plain")
    assert body.get_content().strip() == "<b>x</b>"
    assert [file.get_filename() for file in mail.iter_attachments()] == files


async def test_a_file_that_may_not_be_read_is_an_error_and_no_mail_leaves(stage: Stage) -> None:
    with pytest.raises(CallRefused, match="no file /etc/passwd"):
        await call(stage, "send_mail", "a@b.org", "s", "m", "/etc/passwd", "text")
    assert stage.inbox.mails == []


async def test_several_recipients_may_be_one_text_or_a_list(stage: Stage) -> None:
    await call(stage, "send_mail", 'a@b.org; "Doe, John" <j@b.org>, c@b.org', "s", "m")
    await call(stage, "send_mail", ["a@b.org", "c@b.org"], "s", "m")
    assert stage.inbox.recipients == [["a@b.org", "j@b.org", "c@b.org"], ["a@b.org", "c@b.org"]]


async def test_an_async_mail_is_sent_later_and_what_is_wrong_with_it_is_said_at_once(stage: Stage) -> None:
    stage.inbox.delay = 0.2
    assert await call(stage, "send_mail_async", "a@b.org", "s", "m") is True
    assert stage.inbox.mails == []
    with pytest.raises(CallRefused, match="not a mail address"):
        await call(stage, "send_mail_async", "nobody", "s", "m")
    async with asyncio.timeout(5):
        while not stage.box.sent:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert stage.inbox.recipients == [["a@b.org"]]


async def test_mail_send_takes_an_object(stage: Stage) -> None:
    result = await call(
        stage,
        "mail.send",
        {
            "to": "a@b.org",
            "cc": ["nobody@b.org"],
            "subject": 7,
            "text": "t",
            "html": "<i>h</i>",
            "replyTo": "Me <me@b.org>",
            "attachments": [
                {"name": "a.bin", "contentBase64": "AP8="},
                {"filename": "b.txt", "content": "grüße"},
                {"name": "c.json", "text": "{}", "type": "application/json"},
            ],
        },
    )
    assert result == {"accepted": ["a@b.org"], "rejected": ["nobody@b.org"]}
    (mail,) = stage.inbox.mails
    assert (mail["Subject"], mail["Reply-To"]) == ("7", "Me <me@b.org>")
    first, second, third = mail.iter_attachments()
    assert first.get_payload(decode=True) == b"\x00\xff"
    assert second.get_content().strip() == "grüße"
    assert third.get_content_type() == "application/json"


@pytest.mark.parametrize(
    ("mail", "says"),
    [
        ({}, "needs a recipient"),
        ({"to": 5}, "to must be an address"),
        ({"to": "a@b.org", "text": {}}, "text must be a text"),
        ({"to": "a@b.org", "attachments": {}}, "attachments must be a list"),
        ({"to": "a@b.org", "attachments": [{"name": "x"}]}, r"attachments\.0 needs a name and either"),
        ({"to": "a@b.org", "attachments": [{"name": "x", "contentBase64": "*"}]}, r"attachments\.0\.contentBase64"),
        ({"to": "a@b.org", "subject": "x\r\nBcc: e@f.g"}, "line break"),
    ],
)
async def test_what_is_wrong_with_an_object_is_named(stage: Stage, mail: dict[str, Any], says: str) -> None:
    with pytest.raises(CallRefused, match=says) as refused:
        await call(stage, "mail.send", mail)
    assert refused.value.name == "TypeError"


async def test_a_run_s_own_server_is_its_own_only(stage: Stage) -> None:
    other = Inbox()
    with mail_server(other) as port:
        await call(stage, "mail_config", "localhost", str(port), "run@b.org", "", wid="w-1")
        await call(stage, "send_mail", "a@b.org", "s", "m", wid="w-1")
        await call(stage, "send_mail", "a@b.org", "s", "m", wid="w-2")
    assert other.senders == ["run@b.org"]
    assert stage.inbox.senders == ["nflow@example.com"]


async def test_the_servers_of_runs_do_not_pile_up() -> None:
    mailer = Mailer(MailSettings())
    functions = MailFunctions(mailer, LetterBox())
    for number in range(MOST_RUNS + 50):
        await functions.functions()["mail_config"](calling(f"w-{number}"), ["smtp.b.org", 25, "a@b.org", "p"])
    assert len(functions._servers) == MOST_RUNS


@pytest.mark.parametrize("port", [0, -1, 70_000, 25.5, "x", "inf", "nan"])
async def test_a_server_that_cannot_be_is_a_type_error(port: Any) -> None:
    functions = MailFunctions(Mailer(MailSettings()), LetterBox()).functions()
    for values in (["smtp.b.org", port, "a@b.org"], ["", 25, "a@b.org"], ["smtp.b.org", 25]):
        with pytest.raises(CallRefused, match="mail_config") as refused:
            await functions["mail_config"](calling(), values)
        assert refused.value.name == "TypeError"
