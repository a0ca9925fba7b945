"""Certificates made for a test."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.mqtt_peers import need


class Papers:
    """Two authorities, and certificates of the first for the peer and for us."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = self._authority("ca")
        self.other = self._authority("other")
        self.broker = self._signed("broker")
        self.ours = self._signed("ours")

    def _openssl(self, *words: str | Path) -> None:
        subprocess.run([need("openssl"), *words], check=True, capture_output=True, cwd=self.folder)

    def _authority(self, name: str) -> Path:
        request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        self._openssl(*request, *usage, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
        return self.folder / f"{name}.pem"

    def _signed(self, name: str) -> tuple[Path, Path]:
        (self.folder / f"{name}.ext").write_text("subjectAltName=DNS:localhost\n")
        new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"]
        self._openssl(*new, "-keyout", f"{name}.key", "-out", f"{name}.csr")
        sign = ["x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]
        self._openssl(*sign, "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.pem")
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"
