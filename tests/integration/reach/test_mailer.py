"""Mails to real mail servers: what arrives, what is refused, and what no server can make us do."""

from __future__ import annotations

import asyncio
import contextlib
import email
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from actors.guards.addresses import AddressGuard
from actors.kernel import ChildSpec, System
from actors.reach.mail_message import Attachment, Mail
from actors.reach.mailer import Mailer, MailServer, MailSettings
from actors.reach.postman import LetterBox, Posted, Postman
from protocol.errors import CallRefused, Overloaded, Unavailable
from tests.integration.reach.conftest import free_port
from tests.integration.reach.peers import untrusted

SENDER = "nFlow Runtime <nflow@example.com>"


class Inbox:
    """What a mail server took."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.senders: list[str] = []
        self.delay = 0.0

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if address.startswith("nobody"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        await asyncio.sleep(self.delay)
        self.mails.append(email.message_from_bytes(envelope.content, policy=default))  # type: ignore[arg-type]
        self.recipients.append(envelope.rcpt_tos)
        self.senders.append(envelope.mail_from)
        return "250 taken"


def check(server: SMTP, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"nflow@example.com", b"geheim")
    # handled=True with no answer of its own would leave the client waiting
    return AuthResult(success=right, handled=False)


@contextlib.contextmanager
def mail_server(inbox: Inbox, **options: Any) -> Iterator[int]:
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def port(inbox: Inbox) -> Iterator[int]:
    with mail_server(inbox) as port:
        yield port


@contextlib.asynccontextmanager
async def mailer_for(
    port: int | None, *, tls: ssl.SSLContext | None = None, account: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[Mailer]:
    server = MailServer("127.0.0.1", port, sender=SENDER, **(account or {})) if port else None
    mailer = Mailer(MailSettings(server, **{"timeout_seconds": 5.0, **settings}), tls)
    await mailer.open()
    yield mailer
    await mailer.close()


async def test_a_mail_arrives_as_it_was_written(inbox: Inbox, port: int) -> None:
    mail = Mail(
        to=("Ana <ana@example.org>",),
        cc=("b@example.org",),
        bcc=("hidden@example.org",),
        subject="Grüße: " + "lang " * 40,
        text="Hallo Ana,\n.\nein Punkt allein auf der Zeile",
        html="<p>Hällo</p>",
        attachments=(
            Attachment("übersicht.csv", b"a;b\r\n\x00\xff", "text/csv"),
            Attachment("x.bin", bytes(range(256))),
        ),
    )
    async with mailer_for(port) as mailer:
        sent = await mailer.send(mail)
    assert sent.accepted == ("ana@example.org", "b@example.org", "hidden@example.org")
    (got,) = inbox.mails
    assert inbox.senders == ["nflow@example.com"]
    assert inbox.recipients == [["ana@example.org", "b@example.org", "hidden@example.org"]]
    assert (got["From"], got["To"], got["Cc"]) == (SENDER, "Ana <ana@example.org>", "b@example.org")
    assert "hidden" not in got.as_string()
    assert got["Subject"].strip() == mail.subject.strip()
    text, html = got.get_body(("plain",)), got.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().replace("\r\n", "\n").strip() == mail.text
    assert html.get_content().strip() == mail.html
    csv, binary = got.iter_attachments()
    assert (csv.get_filename(), csv.get_payload(decode=True)) == ("übersicht.csv", b"a;b\r\n\x00\xff")
    assert binary.get_payload(decode=True) == bytes(range(256))


async def test_recipients_the_server_refuses_are_told_and_the_others_get_it(inbox: Inbox, port: int) -> None:
    async with mailer_for(port) as mailer:
        sent = await mailer.send(Mail(to=("a@example.org", "nobody@example.org"), text="x"))
        assert (sent.accepted, sent.rejected) == (("a@example.org",), ("nobody@example.org",))
        with pytest.raises(CallRefused, match="refused every recipient: 550 no such mailbox"):
            await mailer.send(Mail(to=("nobody@example.org",), text="x"))
    assert len(inbox.mails) == 1


async def test_it_logs_in_over_starttls(inbox: Inbox, tmp_path: Path) -> None:
    context = untrusted(tmp_path)
    trusting = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))
    account = {"password": "geheim", "use_tls": True}
    options = {"authenticator": check, "auth_required": True, "require_starttls": True, "tls_context": context}
    with mail_server(inbox, **options) as port:
        async with mailer_for(port, tls=trusting, account=account) as mailer:
            await mailer.send(Mail(to=("a@example.org",), text="x"))
        wrong = {"password": "falsch", "use_tls": True}
        async with mailer_for(port, tls=trusting, account=wrong) as mailer:
            with pytest.raises(CallRefused, match="refused the login") as refused:
                await mailer.send(Mail(to=("a@example.org",), text="x"))
            assert "falsch" not in str(refused.value)
    assert len(inbox.mails) == 1


async def test_on_its_port_tls_begins_with_the_first_byte(
    inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = untrusted(tmp_path)
    trusting = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))
    with mail_server(inbox, ssl_context=context) as port:
        monkeypatch.setattr("actors.reach.mailer.IMPLICIT_TLS_PORT", port)
        async with mailer_for(port, tls=trusting) as mailer:
            await mailer.send(Mail(to=("a@example.org",), text="x"))
    assert len(inbox.mails) == 1


async def test_a_password_leaves_this_machine_only_over_tls(
    inbox: Inbox, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.reach.mailer._is_this_machine", lambda smtp: False)
    async with mailer_for(port, account={"password": "geheim"}) as mailer:
        with pytest.raises(CallRefused, match="no TLS, so the password is not sent"):
            await mailer.send(Mail(to=("a@example.org",), text="x"))
    assert inbox.mails == []


async def test_a_certificate_nobody_vouches_for_ends_it(inbox: Inbox, tmp_path: Path) -> None:
    with mail_server(inbox, tls_context=untrusted(tmp_path)) as port:
        for use_tls in (True, False):
            async with mailer_for(port, account={"use_tls": use_tls}) as mailer:
                with pytest.raises(CallRefused, match=r"(?i)certificate"):
                    await mailer.send(Mail(to=("a@example.org",), text="x"))
    assert inbox.mails == []


async def test_who_insists_on_tls_does_not_speak_without(inbox: Inbox, port: int) -> None:
    async with mailer_for(port, account={"use_tls": True}) as mailer:
        with pytest.raises(CallRefused, match="STARTTLS"):
            await mailer.send(Mail(to=("a@example.org",), text="x"))
    assert inbox.mails == []


@pytest.mark.parametrize(
    "mail",
    [
        Mail(text="x"),
        Mail(to=("no address",)),
        Mail(to=("a@b.org\r\nBcc: evil@x.org",)),
        Mail(to=("A\r\nBcc: evil@x.org <a@b.org>",)),
        Mail(to=("a@b.org> SIZE=1\r\nRCPT TO:<evil@x.org",)),
        Mail(to=("<a@b.org><c@d.org>",)),
        Mail(to=("a@b.org, c@d.org",)),
        Mail(to=("a@b.org\0",)),
        Mail(to=("a" * 70 + "@b.org",)),
        Mail(to=("ü@b.org",)),
        Mail(to=("a@b.org",), subject="x\r\nBcc: evil@x.org"),
        Mail(to=("a@b.org",), subject="x\nBcc: evil@x.org"),
        Mail(to=("a@b.org",), subject="x" * 1_000),
        Mail(to=("a@b.org",), reply_to="x\n@y"),
        Mail(to=("a@b.org",), attachments=(Attachment("a\r\nX: y", b""),)),
        Mail(to=("a@b.org",), attachments=(Attachment("a", b"", "text/plain\r\nX: y"),)),
        Mail(to=("a@b.org",), text="x" * 20_000),
        Mail(to=("a@b.org",), attachments=(Attachment("a", b"x" * 8_000),)),
        Mail(to=tuple(f"a{n}@b.org" for n in range(101))),
    ],
)
async def test_what_cannot_be_sent_safely_is_a_type_error(inbox: Inbox, port: int, mail: Mail) -> None:
    async with mailer_for(port, max_bytes=10_000) as mailer:
        with pytest.raises(CallRefused) as refused:
            await mailer.send(mail)
        assert refused.value.name == "TypeError"
    assert inbox.mails == []


async def test_a_domain_in_another_script_is_written_as_ascii(inbox: Inbox, port: int) -> None:
    async with mailer_for(port) as mailer:
        await mailer.send(Mail(to=("Jörg <a@bücher.example>",), text="x"))
    assert inbox.recipients == [["a@xn--bcher-kva.example"]]
    assert inbox.mails[0]["To"].addresses[0].display_name == "Jörg"


async def test_a_script_s_server_passes_the_guard_and_the_operator_s_does_not(inbox: Inbox, port: int) -> None:
    mail = Mail(to=("a@example.org",), text="x")
    other = MailServer("127.0.0.1", free_port(), sender="a@b.org")
    async with mailer_for(port) as mailer:
        with pytest.raises(CallRefused, match=r"address 127\.0\.0\.1 is not allowed"):
            await mailer.send(mail, other)
        await mailer.send(mail)
    async with mailer_for(None, guard=AddressGuard(["127.0.0.1"])) as mailer:
        await mailer.send(mail, MailServer("localhost", port, sender="a@b.org"))
    assert inbox.senders == ["nflow@example.com", "a@b.org"]


async def test_without_configuration_and_without_a_network_the_error_says_so(port: int) -> None:
    async with mailer_for(None) as mailer:
        with pytest.raises(CallRefused, match=r"\[mail\]"):
            await mailer.send(Mail(to=("a@b.org",)))
    async with mailer_for(port, enabled=False) as mailer:
        with pytest.raises(CallRefused, match="enable_network"):
            await mailer.send(Mail(to=("a@b.org",)))


async def test_a_slow_server_ends_at_the_deadline_and_a_dead_one_is_left_alone(inbox: Inbox, port: int) -> None:
    mail = Mail(to=("a@b.org",), text="x")
    inbox.delay = 1.5
    async with mailer_for(port, timeout_seconds=0.3) as mailer:
        begun = time.monotonic()
        with pytest.raises(CallRefused, match=r"within 0\.3 s"):
            await mailer.send(mail)
        assert time.monotonic() - begun < 1.0
    async with mailer_for(free_port(), breaker_failures=2) as mailer:
        for _ in range(2):
            with pytest.raises(CallRefused, match="cannot be reached"):
                await mailer.send(mail)
        with pytest.raises(Unavailable):
            await mailer.send(mail)


async def test_a_server_that_stops_reading_or_never_greets_leaves_nothing_behind() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await asyncio.sleep(0.5 if greeted else 5)
        writer.transport.abort()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        for answer in (b"250 hello\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
            await reader.readline()
            writer.write(answer)
        await asyncio.sleep(1.0)  # and the mail stays in its buffers
        writer.transport.abort()

    greeted = True
    mail = Mail(to=("a@b.org",), text="x" * 5_000_000)
    for behaviour in (silent, deaf):
        server = await asyncio.start_server(behaviour, "127.0.0.1", 0)
        async with mailer_for(server.sockets[0].getsockname()[1], timeout_seconds=0.2) as mailer:
            await asyncio.sleep(0)
            files, tasks = _files(), len(asyncio.all_tasks())
            for _ in range(3):
                with pytest.raises(CallRefused, match="within"):
                    await mailer.send(mail)
            async with asyncio.timeout(3):
                while _files() > files or len(asyncio.all_tasks()) > tasks:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        server.close()
        await server.wait_closed()


async def test_the_postman_sends_what_is_in_the_box_and_empties_it_before_he_goes(inbox: Inbox, port: int) -> None:
    async with mailer_for(port) as mailer:
        box = LetterBox(capacity=10)
        for number in range(10):
            box.post(Posted(mailer.prepare(Mail(to=(f"a{number}@b.org",), text="x")), None, "w"))
        with pytest.raises(Overloaded):
            box.post(Posted(mailer.prepare(Mail(to=("late@b.org",), text="x")), None, "w"))
        system = System()
        await system.start(ChildSpec("postman", lambda: Postman(box, mailer), shutdown_seconds=10.0))
        await system.stop()
    assert sorted(each for one in inbox.recipients for each in one) == [f"a{n}@b.org" for n in range(10)]
    assert (box.sent, box.failed, len(box.waiting)) == (10, 0, 0)


async def test_a_mail_that_fails_does_not_stop_the_postman(
    inbox: Inbox, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with mailer_for(port) as mailer:
        box = LetterBox()
        system = System()
        await system.start(ChildSpec("postman", lambda: Postman(box, mailer), shutdown_seconds=10.0))
        for to in ("nobody@b.org", "a@b.org", "nobody2@b.org", "b@b.org"):
            box.post(Posted(mailer.prepare(Mail(to=(to,), text="vertraulich")), None, "w-1"))
        async with asyncio.timeout(5):
            while box.sent + box.failed < 4:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await system.stop()
    assert (box.sent, box.failed) == (2, 2)
    assert "w-1" in caplog.text
    assert "vertraulich" not in caplog.text


def _files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
