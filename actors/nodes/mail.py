"""Node kind `mail`: sends one mail by the operator's mail server and goes on once the server took it.

    {"type": "mail", "to": "{{user.email}}", "cc": "", "bcc": [], "subject": "Order {{order.id}}",
     "text": "Dear {{user.name}}, …", "html": "<p>Dear {{user.name}}, …</p>",
     "attachments": [{"name": "order.csv", "text": "{{csv}}"}]}

`{{path}}` is taken from the payload; in `html` it is escaped. `message` is another word for `text`; `template` names a
stored template that is rendered with the payload into the HTML. Recipients are one text with commas, or a list. The
payload becomes `{...payload, mail: {accepted, rejected}}`, under `field` instead of `mail` when that is given.

A mail that is not sent fails the node, unless an output `error` (or `output_2`) is connected: the run goes on there
with `mail: {error: {name, message}}`. The node's idempotency key travels as `X-Idempotency-Key`, so that a mail sent
twice by a retry can be told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from html import escape
from typing import Any, Final

from actors.functions.mail import mail_from, sent_as_json
from actors.nodes.http import with_result
from actors.nodes.registry import NodeContext, Outcome
from actors.nodes.substitution import Substitution
from actors.reach.mail_message import Mail
from actors.reach.mailer import Mailer
from protocol.codec import loads_from_script
from protocol.errors import CallRefused, NodeError, Overloaded, Unavailable
from protocol.flow import Node

Page = Callable[[str, Any], Awaitable[str]]
"""(name of a stored template, payload) → HTML. Raises a Refusal for one that is not there or does not render."""

_FIELDS: Final = ("to", "cc", "bcc", "replyTo", "subject", "text", "message", "attachments")
_ERROR_EDGES: Final = ("error", "output_2")


class MailNode:
    """The kind over one mailer."""

    __slots__ = ("_mailer", "_page")

    def __init__(self, mailer: Mailer, page: Page | None = None) -> None:
        """`page`: how `template` is rendered; None: it is refused."""
        self._mailer = mailer
        self._page = page

    async def run(self, node: Node, context: NodeContext) -> Outcome:
        """Send the mail the node describes. Raises NodeError for one that cannot be made, and what `send` does."""
        payload = loads_from_script(context.payload)
        error_edge = next((edge for edge in _ERROR_EDGES if node.outputs.get(edge) is not None), None)
        mail = await self._mail(node, context, payload)
        try:
            result = sent_as_json(await self._mailer.send(mail))
        except (CallRefused, Unavailable, Overloaded) as error:
            if error_edge is None:
                raise
            name = error.name if isinstance(error, CallRefused) else type(error).__name__
            failed = {"error": {"name": name, "message": str(error)}}
            return Outcome(with_result(payload, node, failed, "mail"), error_edge)
        return Outcome(with_result(payload, node, result, "mail"))

    async def _mail(self, node: Node, context: NodeContext, payload: Any) -> Mail:
        data = node.data
        values = Substitution(payload)
        fields = {name: values.value(data[name]) for name in _FIELDS if data.get(name) not in (None, "")}
        if isinstance(data.get("html"), str) and data["html"]:
            fields["html"] = values.escaped(escape).text(data["html"])
        elif isinstance(data.get("template"), str) and data["template"]:
            if self._page is None:
                raise NodeError("a mail node's template needs stored templates: set [database_nflow]")
            fields["html"] = await self._page(data["template"], payload)
        try:
            mail = mail_from(fields, "mail node")
        except CallRefused as error:
            raise NodeError(str(error)) from None
        key = "".join(letter for letter in context.key if letter.isprintable())[:200]
        return replace(mail, headers=(("X-Idempotency-Key", key),)) if key else mail
