"""TLS towards a peer: a broker, or a Modbus device."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Self

from pydantic import model_validator

from daemon.documents import Strict
from daemon.model import ConfigError


class Tls(Strict):
    """TLS with a pinned certificate authority, and our own certificate where the peer asks for one."""

    #: Certificates (PEM) of the authorities that may have signed the peer's; the system's when absent.
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together; write both or neither")
        return self

    def context(self) -> ssl.SSLContext:
        """Load the files.

        Raises:
            ConfigError: one of them cannot be read or is not what it should be.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            raise ConfigError([f"{self.ca}: no certificates could be read: {error}; check tls.ca"]) from error
        if self.certificate is not None:
            try:
                context.load_cert_chain(self.certificate, self.key)
            except OSError as error:
                place = f"{self.certificate}, {self.key}"
                raise ConfigError([f"{place}: {error}; check tls.certificate and tls.key"]) from error
        return context
