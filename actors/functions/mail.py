"""nFlow's `mail_config`, `send_mail`, `send_mail_async`, and `mail.send` of the manuals' style.

In Go the fourth and fifth argument of `send_mail` are swapped: (…, attachment path, format). Scripts were written in
either order, so `html` and `text` are understood as the format in both places. A `mail_config` holds for its run only
and its server must pass the address guard; without one the operator's `[mail]` is used. Mail that is not configured is
an error here; in Go it was silence. `send_mail_async` returns once the mail is in the letter box.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from actors.functions.arguments import Arguments
from actors.functions.caller import Caller, Functions
from actors.functions.http import patience
from actors.reach.mail_message import Attachment, Mail, recipients
from actors.reach.mailer import Mailer, MailServer, Sent
from actors.reach.postman import LetterBox, Posted
from protocol.errors import CallRefused

ReadFile = Callable[[str], Awaitable[bytes]]
"""A file of `files.root` by its path; raises CallRefused for any other."""

MOST_RUNS: Final = 1_000
"""Runs whose `mail_config` is remembered."""
_FORMATS: Final = frozenset({"html", "text", "plain", "txt"})
_SEND: Final = "send_mail(to, subject, message, attachment, format)"


class MailFunctions:
    """The mail functions over one mailer and one letter box."""

    __slots__ = ("_box", "_mailer", "_read_file", "_servers")

    def __init__(self, mailer: Mailer, box: LetterBox, read_file: ReadFile | None = None) -> None:
        """`read_file`: how attachments named by a path are read; None: they are refused."""
        self._mailer = mailer
        self._box = box
        self._read_file = read_file
        self._servers: OrderedDict[str, MailServer] = OrderedDict()

    def functions(self) -> Functions:
        """By the names scripts' calls carry (Go: plugin mail)."""
        return {
            "mail_config": self._config,
            "send_mail": self._send,
            "send_mail_async": self._send_async,
            "mail.send": self._send_object,
        }

    async def _config(self, caller: Caller, values: list[Any]) -> Any:
        """Which server the run's mails go by."""
        arguments = Arguments("mail_config(smtp, port, from, password)", values)
        host, port = arguments.text(0).strip(), arguments.number(1, 25)
        if not host or not 0 < port < 65_536 or port != int(port):
            raise CallRefused("mail_config(smtp, port, from, password): no such server", name="TypeError")
        server = MailServer(host, int(port), sender=arguments.text(2), password=arguments.text(3, ""))
        self._servers[caller.wid] = server
        self._servers.move_to_end(caller.wid)
        if len(self._servers) > MOST_RUNS:
            self._servers.popitem(last=False)
        return None

    async def _send(self, caller: Caller, values: list[Any]) -> Any:
        """True once the server took it."""
        mail = await self._mail_of(values)
        await self._mailer.send(mail, self._servers.get(caller.wid), patience(caller))
        return True

    async def _send_async(self, caller: Caller, values: list[Any]) -> Any:
        """True once it waits to be sent. What is wrong with the mail itself is thrown at once."""
        mail = await self._mail_of(values)
        server = self._servers.get(caller.wid)
        self._box.post(Posted(await self._mailer.prepared(mail, server), server, caller.wid))
        return True

    async def _send_object(self, caller: Caller, values: list[Any]) -> Any:
        """`{accepted: [address], rejected: [address]}`."""
        mail = mail_from(Arguments("mail.send(mail)", values).object(0), "mail.send")
        return sent_as_json(await self._mailer.send(mail, self._servers.get(caller.wid), patience(caller)))

    async def _mail_of(self, values: list[Any]) -> Mail:
        arguments = Arguments(_SEND, values)
        path, html = _path_and_format(arguments.text(3, ""), arguments.text(4, ""))
        message = arguments.text(2, "")
        files: tuple[Attachment, ...] = ()
        if path:
            if self._read_file is None:
                raise CallRefused(f"{_SEND}: files cannot be attached by their path here", name="MailError")
            files = (Attachment(path.replace("\\", "/").rpartition("/")[2], await self._read_file(path)),)
        return Mail(
            to=recipients(arguments.value(0), _SEND),
            subject=arguments.text(1, ""),
            text=None if html else message,
            html=message if html else None,
            attachments=files,
        )


def mail_from(fields: Mapping[str, Any], usage: str) -> Mail:
    """A mail from `{to, cc, bcc, replyTo, subject, text, html, attachments: [{name, contentBase64 | text, type}]}`.

    `message` is another word for text, `filename`, `content` and `contentType` for those of an attachment. Raises
    CallRefused (TypeError) with the field's name.
    """
    attachments = fields.get("attachments")
    if not isinstance(attachments, list | None):
        raise _wrong(f"{usage}: attachments must be a list")
    text = fields.get("text") if fields.get("text") is not None else fields.get("message")
    return Mail(
        to=recipients(fields.get("to"), f"{usage}: to"),
        cc=recipients(fields.get("cc"), f"{usage}: cc"),
        bcc=recipients(fields.get("bcc"), f"{usage}: bcc"),
        subject=_text(fields.get("subject"), f"{usage}: subject") or "",
        text=_text(text, f"{usage}: text"),
        html=_text(fields.get("html"), f"{usage}: html"),
        attachments=tuple(_attachment(each, f"{usage}: attachments.{n}") for n, each in enumerate(attachments or ())),
        reply_to=_text(fields.get("replyTo"), f"{usage}: replyTo") or "",
    )


def sent_as_json(sent: Sent) -> dict[str, Any]:
    """What became of a mail, for scripts and payloads."""
    return {"accepted": list(sent.accepted), "rejected": list(sent.rejected)}


def _path_and_format(fourth: str, fifth: str) -> tuple[str, bool]:
    """The attachment's path and whether the mail is HTML, in whichever order the two were given."""
    path, format_ = fourth, fifth
    if fourth.strip().lower() in _FORMATS and fifth.strip().lower() not in _FORMATS:
        path, format_ = fifth, fourth
    elif fourth.strip().lower() in _FORMATS:  # a format twice is no path
        path = ""
    return path.strip(), format_.strip().lower() == "html"


def _attachment(value: Any, usage: str) -> Attachment:
    if not isinstance(value, dict):
        raise _wrong(f"{usage} must be an object with name and contentBase64 or text")
    name = _text(value.get("name", value.get("filename")), f"{usage}.name")
    packed: Any = value.get("contentBase64")
    text = value.get("text") if value.get("text") is not None else value.get("content")
    if not name or (packed is None) == (text is None):
        raise _wrong(f"{usage} needs a name and either contentBase64 or text")
    kind = _text(value.get("type", value.get("contentType")), f"{usage}.type")
    if text is not None:
        data = (_text(text, f"{usage}.text") or "").encode("utf-8", "replace")
        return Attachment(name, data, kind or "text/plain")
    try:
        return Attachment(name, b64decode(packed, validate=True), kind or "application/octet-stream")
    except (binascii.Error, TypeError, ValueError):
        raise _wrong(f"{usage}.contentBase64 is not base64") from None


def _text(value: Any, usage: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise _wrong(f"{usage} must be a text")


def _wrong(message: str) -> CallRefused:
    return CallRefused(message, name="TypeError")
