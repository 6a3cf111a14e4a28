"""A mail as its author gives it, and as bytes for the mail server.

Pure. Every address, name, subject and file name that could begin a header line of its own is refused, here and once
more by `email.message`; addresses are read by a narrow grammar rather than by a lenient parser, so that none means one
thing to us and another to the server.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from typing import Final, NamedTuple

from protocol.errors import CallRefused

MOST_RECIPIENTS: Final = 100
MAX_LINE: Final = 900
"""Longest subject and name, in characters."""
_MAX_ENCODED: Final = 16 * MAX_LINE
"""Longest subject that an author may have encoded by hand: an encoded word takes a dozen characters for one."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")
_ADDRESS: Final = re.compile(r"([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64})@([^\s@<>()\[\],;:\"\\]{1,255})\Z")
_NAMED: Final = re.compile(r"\s*(?:\"([^\"\\]*)\"|([^<>\"]*?))\s*<([^<>]*)>\s*\Z")
_ENCODED: Final = re.compile(r"=\?[^?]*\?[^?]*\?")
"""The beginning of an encoded word (RFC 2047). The library would decode one on its way, line breaks in it included."""
_TYPE: Final = re.compile(r"[A-Za-z0-9][\w.+-]{0,80}/[A-Za-z0-9][\w.+-]{0,80}\Z")


class Attachment(NamedTuple):
    """A file of a mail."""

    name: str
    data: bytes
    type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Mail:
    """What somebody wants to be sent. Addresses are `a@b.org` or `Name <a@b.org>`."""

    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    reply_to: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=())
    """Further headers the runtime adds, such as the idempotency key of a node's visit."""


class Envelope(NamedTuple):
    """A mail ready to go."""

    sender: str
    recipients: tuple[str, ...]
    message: bytes


def recipients(value: object, usage: str) -> tuple[str, ...]:
    """Addresses as authors write them: a text, several in one separated by commas or semicolons, or a list of these."""
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(each.strip() for each in _split(value) if each.strip())
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return tuple(one for each in value for one in recipients(each, usage))
    raise _wrong(f"{usage} must be an address or a list of addresses")


def envelope(mail: Mail, sender: str, max_bytes: int) -> Envelope:
    """The mail as bytes. Raises CallRefused (TypeError) saying what of it cannot be sent."""
    everyone = (*mail.to, *mail.cc, *mail.bcc)
    if not everyone:
        raise _wrong("a mail needs a recipient: to, cc or bcc")
    if len(everyone) > MOST_RECIPIENTS:
        raise _wrong(f"a mail may have {MOST_RECIPIENTS} recipients at most")
    size = sum(len(part) for part in (mail.text or "", mail.html or "", *(file.data for file in mail.attachments)))
    if size > max_bytes:
        raise _too_large(max_bytes)
    origin = _address(sender, "the sender ([mail] from)")
    message = EmailMessage(policy=SMTP)
    try:
        message["From"] = origin
        _address_lines(message, mail)
        message["Subject"] = _line(_decoded(mail.subject), "subject")
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=origin.domain)
        for name, value in mail.headers:
            message[name] = _line(value, name)
        _fill(message, mail)
        data = message.as_bytes()
    except (ValueError, LookupError) as error:  # what email.message still finds wrong, lone surrogates among it
        raise _wrong(f"the mail cannot be written: {error}") from None
    if len(data) > max_bytes:
        raise _too_large(max_bytes)
    all_specs = dict.fromkeys(_address(each, "a recipient").addr_spec for each in everyone)
    return Envelope(origin.addr_spec, tuple(all_specs), data)


def _address_lines(message: EmailMessage, mail: Mail) -> None:
    for name, value in (("To", mail.to), ("Cc", mail.cc)):
        if value:
            message[name] = tuple(_address(each, name.lower()) for each in value)
    if mail.reply_to:
        message["Reply-To"] = _address(mail.reply_to, "replyTo")


def _fill(message: EmailMessage, mail: Mail) -> None:
    if mail.html is not None and mail.text is not None:
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
    elif mail.html is not None:
        message.set_content(mail.html, subtype="html")
    else:
        message.set_content(mail.text or "")
    for file in mail.attachments:
        if not _TYPE.match(file.type):
            raise _wrong(f"the attachment {file.name[:80]!r} has no valid type, such as application/pdf")
        main, _, sub = file.type.partition("/")
        if main in {"multipart", "message"}:  # a file is a file, whatever is in it
            main, sub = "application", "octet-stream"
        charset = {"charset": "utf-8"} if main == "text" and _is_utf8(file.data) else None
        name = _line(file.name, "attachment name")
        message.add_attachment(file.data, maintype=main, subtype=sub, filename=name, params=charset)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _address(text: str, usage: str) -> Address:
    text = text.strip()  # and short, before any pattern that tries one place after the other
    named = _NAMED.match(text) if len(text) <= MAX_LINE else None
    name, spec = (named.group(1) or named.group(2) or "", named.group(3)) if named else ("", text)
    found = _ADDRESS.match(spec.strip())
    if found is None or len(text) > MAX_LINE or _CONTROL.search(text) or _ENCODED.search(text):
        raise _wrong(f"{usage}: {text[:80]!r} is not a mail address")
    local, domain = found.groups()
    try:
        ascii_domain = domain.encode("idna").decode()
        return Address(name.strip(), local, ascii_domain)
    except (ValueError, IndexError):
        raise _wrong(f"{usage}: {text[:80]!r} is not a mail address") from None


def _split(text: str) -> Sequence[str]:
    """At commas and semicolons that are not inside quotes."""
    if len(text) > MOST_RECIPIENTS * MAX_LINE:
        raise _wrong(f"a mail may have {MOST_RECIPIENTS} recipients at most")
    parts = [""]
    quoted = False
    for letter in text:
        quoted ^= letter == '"'
        if letter in ",;" and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _decoded(text: str) -> str:
    """A subject that its author encoded by hand, as Go's mail made one do, is plain text again."""
    if len(text) > _MAX_ENCODED:
        raise _wrong(f"subject: longer than {MAX_LINE} characters")
    if not _ENCODED.search(text):
        return text
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, ValueError, LookupError):
        raise _wrong("subject: it holds an encoded word that cannot be read") from None


def _line(text: str, usage: str) -> str:
    if _CONTROL.search(text):
        raise _wrong(f"{usage}: a line break or control character is not allowed")
    if _ENCODED.search(text):
        raise _wrong(f"{usage}: an encoded word is not allowed: write plain text")
    if len(text) > MAX_LINE:
        raise _wrong(f"{usage}: longer than {MAX_LINE} characters")
    return text


def _too_large(max_bytes: int) -> CallRefused:
    return _wrong(f"the mail is larger than {max_bytes // 1024} KiB (mail.max_kb)")


def _wrong(message: str) -> CallRefused:
    return CallRefused(message, name="TypeError")
