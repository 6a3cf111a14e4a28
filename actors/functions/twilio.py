"""nFlow's `send_otp` and `check_otp`: one-time passwords by Twilio's Verify API, over plain HTTP.

Both are true while Twilio is switched off (Go), so a flow can be tried without it. A number that cannot be, a wrong or
expired code are false; a Twilio that is out of reach or does not know our account is an error, thrown into the script:
Go answered false, and blamed the user.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from actors.functions.arguments import Arguments
from actors.functions.caller import Caller, Functions
from actors.functions.http import patience
from actors.reach.http_client import HttpClient
from actors.reach.http_message import HttpRequest
from protocol.codec import loads
from protocol.errors import BadDocument, CallRefused


@dataclass(frozen=True, slots=True)
class TwilioSettings:
    """The account there."""

    enabled: bool = False
    account_sid: str = ""
    auth_token: str = field(default="", repr=False)
    service: str = ""
    """Id of the Verify service."""
    url: str = "https://verify.twilio.com/v2"


class TwilioFunctions:
    """The two functions over one HTTP client."""

    __slots__ = ("_client", "_settings")

    def __init__(self, client: HttpClient, settings: TwilioSettings) -> None:
        self._client = client
        self._settings = settings

    def functions(self) -> Functions:
        """By nFlow's names (Go: plugin twilio)."""
        return {"send_otp": self._send, "check_otp": self._check}

    async def _send(self, caller: Caller, values: list[Any]) -> Any:
        """True: a code is on its way to this number."""
        to = Arguments("send_otp(to)", values).text(0)
        if not self._settings.enabled:
            return True
        answer = await self._post(caller, "Verifications", {"To": to.strip(), "Channel": "sms"})
        return answer.get("status") in {"pending", "approved"}

    async def _check(self, caller: Caller, values: list[Any]) -> Any:
        """True: this is the code that was sent."""
        arguments = Arguments("check_otp(to, code)", values)
        to, code = arguments.text(0), arguments.text(1)
        if not self._settings.enabled:
            return True
        answer = await self._post(caller, "VerificationCheck", {"To": to.strip(), "Code": code.strip()})
        return answer.get("status") == "approved"

    async def _post(self, caller: Caller, place: str, fields: dict[str, str]) -> dict[str, Any]:
        settings = self._settings
        if not (settings.account_sid and settings.auth_token and settings.service):
            message = "[twilio] needs account_sid, auth_token and verify_service_id"
            raise CallRefused(message, name="TwilioError")
        login = b64encode(f"{settings.account_sid}:{settings.auth_token}".encode()).decode()
        headers = (("Authorization", f"Basic {login}"), ("Content-Type", "application/x-www-form-urlencoded"))
        url = f"{settings.url.rstrip('/')}/Services/{quote(settings.service, safe='')}/{place}"
        body = urlencode(fields, errors="replace").encode()
        response = await self._client.fetch(
            HttpRequest("POST", url, headers, body, patience(caller), "error"), tenant=caller.tenant, own=True
        )
        try:
            answer = loads(response.body, "twilio")
        except BadDocument:
            answer = None
        if response.status in {401, 403} or response.status >= 500 or not isinstance(answer, dict):
            words = answer.get("message") if isinstance(answer, dict) else None
            raise CallRefused(f"twilio: {response.status} {words or response.reason}"[:500], name="TwilioError")
        return answer if response.status < 300 else {}
