"""Whom the server talks to, and how it is reached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ConfigDict, SecretStr

from protocol.settings.key import NO_SECRET, Port, Positive, Seconds, Section, Texts, setting


class Mail(Section):
    """The mail server."""

    enabled: bool = setting(False, "send mail")
    smtp: str = setting("", "host of the mail server; also written smtp_host")
    port: Port = setting(25, "its port; also written smtp_port")
    username: str = setting("", "user name there; also written smtp_user; empty: the sender")
    password: SecretStr = setting(NO_SECRET, "password there; also written smtp_password")
    sender: str = setting("", "sender of mails; also written smtp_from", "from")
    use_tls: bool = setting(False, "insist on TLS: from the first byte on port 465, by STARTTLS on others")
    timeout_seconds: Seconds = setting(20.0, "deadline of one mail, seconds")
    max_kb: Positive = setting(10_240, "largest mail with its attachments, KiB")


class Twilio(Section):
    """One-time passwords by text message."""

    enable: bool = setting(False, "use Twilio")
    account_sid: str = setting("", "account")
    auth_token: SecretStr = setting(NO_SECRET, "its token")
    verify_service_id: str = setting("", "service that sends the codes")
    verify_url: str = setting("https://verify.twilio.com/v2", "base address of its Verify API")


class Url(Section):
    """How the outside reaches this server."""

    url_base: str = setting("", "what scripts see as url_base")


class Outgoing(Section):
    """HTTP client of scripts and nodes."""

    timeout_seconds: Seconds = setting(30.0, "deadline of one request with its answer, seconds")
    max_response_kb: Positive = setting(10_240, "largest answer read, KiB")
    max_connections: Positive = setting(200, "connections at once")
    max_per_host: Positive = setting(50, "connections to one host at once")
    breaker_failures: Positive = setting(5, "failures in a row after which a host is not asked")
    breaker_seconds: Seconds = setting(10.0, "how long it is not asked, seconds; then one request may try")


class Ai(Section):
    """Language models for `openai`, `gemini` and `ollama`. Being the operator's, these addresses pass the guard."""

    openai_url: str = setting("https://api.openai.com/v1", "base address of an OpenAI-compatible API")
    gemini_url: str = setting("https://generativelanguage.googleapis.com/v1beta", "base address of Gemini")
    ollama_url: str = setting("http://localhost:11434", "base address of Ollama")
    timeout_seconds: Seconds = setting(120.0, "deadline of one answer, seconds")


class Plugin(Section):
    """Plugins. A table `[plugin.NAME]` is the configuration of the plugin NAME, which checks it."""

    model_config = ConfigDict(extra="allow")

    plugins: Texts = setting((), "plugins to load, by name; empty: all that are found")
    folder: str = setting("plugins", "folder of plugin files, relative to the working directory")
    start_seconds: Seconds = setting(10.0, "deadline of one plugin's start, seconds")
    close_seconds: Seconds = setting(5.0, "deadline of its close, seconds")
    threads: Positive = setting(8, "threads of one plugin, for its functions that are not async")

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Without the plugins' tables: secrets may be in them."""
        return ((name, value) for name, value in super().__repr_args__() if name not in (self.model_extra or {}))
