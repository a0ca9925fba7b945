"""How to reach a broker, and how much of what it sends may be held."""

from __future__ import annotations

import socket
import ssl
from datetime import timedelta
from typing import Literal, Self

import aiomqtt
from pydantic import Field, SecretStr, field_validator, model_validator

from daemon.documents import Span, Strict, format_span
from daemon.sensors.tls import Tls


class MqttTls(Tls):
    """TLS with a pinned certificate authority, and our own certificate where the broker asks for one."""


class MqttConfig(Strict):
    """One broker."""

    host: str = Field(min_length=1)
    #: 1883, or 8883 with TLS, when absent.
    port: int | None = Field(default=None, ge=1, le=65535)
    version: Literal["5", "3.1.1"] = "5"
    #: The broker keeps our session under this name; `precomplaint-<site>` when absent. Two clients of one name
    #: throw each other out for ever.
    client_id: str | None = Field(default=None, min_length=1, max_length=256)
    username: str | None = None
    password: SecretStr | None = None
    tls: MqttTls | None = None
    keepalive: Span = Field(default=timedelta(seconds=60), ge=timedelta(seconds=1), le=timedelta(seconds=65535))
    #: Longest wait for the connection, and again for the broker's answer.
    connect_timeout: Span = Field(default=timedelta(seconds=10), ge=timedelta(milliseconds=10))
    #: How long the broker keeps our session and its messages while we are away (version 5 only).
    session_expiry: Span = timedelta(days=7)
    #: Messages sent to us that may be unacknowledged (version 5 only); brokers treat it as a wish.
    receive_maximum: int = Field(default=1000, ge=1, le=65535)
    #: Most messages held at once, and most bytes of them; beyond it we stop reading.
    pending_messages: int = Field(default=2000, ge=1)
    pending_bytes: int = Field(default=8 * 1024 * 1024, ge=1024)
    #: A larger payload is rejected.
    max_payload: int = Field(default=256 * 1024, ge=1)
    #: Messages a second that one topic may send for long; what comes faster is shed, and told with the number. Without
    #: it nothing is shed for coming fast: a flood with QoS 1 then slows the broker down.
    topic_rate: float | None = Field(default=None, gt=0)
    #: Messages that one topic may send at once before that: a backlog after an outage is no flood.
    topic_burst: int = Field(default=10_000, ge=1)

    @field_validator("version", mode="before")
    @classmethod
    def _as_text(cls, version: object) -> object:
        return str(version) if isinstance(version, int) else version

    @model_validator(mode="after")
    def _credentials(self) -> Self:
        if self.password is not None and self.username is None:
            raise ValueError("a password without a username; write username too")
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port or (8883 if self.tls else 1883)

    @property
    def place(self) -> str:
        """`host:port`, as messages name the broker."""
        return f"{self.address[0]}:{self.address[1]}"


def why_unreachable(config: MqttConfig, error: aiomqtt.MqttError, cause: Exception | None) -> str:
    """Say where a connection failed, why, and what to do about it."""
    wait = format_span(config.connect_timeout)
    match cause:
        case _ if isinstance(error, aiomqtt.MqttCodeError):
            what = f"the broker refused us: {error}; {_advice_on(error.rc, config)}"
        case ssl.SSLCertVerificationError():
            what = f"the broker's certificate is not trusted: {cause.verify_message}; check tls.ca and host"
        case ssl.SSLError():
            reason = getattr(cause, "reason", "") or cause.args[-1]
            what = f"TLS failed: {reason}; check that this is a TLS port, and tls.certificate"
        case ConnectionRefusedError():
            what = "connection refused; start the broker there, or correct host and port"
        case socket.gaierror():
            what = f"the name cannot be resolved: {cause.strerror}; correct host, or check DNS"
        case TimeoutError():
            what = f"no answer within {wait}; check host, port, network and firewall"
        case OSError():
            what = f"{cause.strerror or cause}; check host, port and network"
        case _:
            how = f"no answer within {wait}" if "timed out" in str(error) else str(error)
            hint = "does it ask for tls.certificate?" if config.tls else "is it an MQTT port, and one without TLS?"
            what = f"connected, but CONNECT was not answered: {how}; {hint}"
    return f"{config.place}: {what}"


def _advice_on(code: object, config: MqttConfig) -> str:
    match getattr(code, "value", code):
        case 132:
            return 'the broker does not speak this version; write version: "3.1.1" (or "5")'
        case 133:
            return "change client_id"
        case 134 | 135:
            who = f"user {config.username!r}" if config.username else "no username is given"
            return f"check username and password ({who})"
        case 136 | 137 | 151 | 159:
            return "the broker is busy; wait, or look at its limits"
        case _:
            return "see the broker's log"
