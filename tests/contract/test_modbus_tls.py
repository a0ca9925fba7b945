from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from daemon.clock import SiteClock
from daemon.model import SourceDown
from daemon.sensors.modbus import ModbusBus, ModbusConfig
from daemon.sensors.profile import Binding
from tests.modbus_bus import Heard, bind, one, running, until
from tests.modbus_server import serving
from tests.papers import Papers

pytestmark = pytest.mark.integration

HOLDING = 3


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers(tmp_path_factory.mktemp("papers"))


def device(papers: Papers, *, asks: bool = False) -> ssl.SSLContext:
    """The device's side of TLS; `asks`: it wants to see our certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=papers.ca)
    context.load_cert_chain(*papers.broker)
    context.verify_mode = ssl.CERT_REQUIRED if asks else ssl.CERT_NONE
    return context


def bus_of(port: int, tls: dict[str, Path], *bindings: Binding) -> ModbusBus:
    tcp = {"host": "localhost", "port": port, "tls": tls}
    return ModbusBus(ModbusConfig.model_validate({"tcp": tcp}), bindings, SiteClock(), name="covered")


async def test_a_device_that_asks_for_our_certificate_is_read(papers: Papers) -> None:
    """Both sides show their papers; an answer that comes in pieces is put together."""
    points: dict[str, Any] = {f"p{n}": {"register": {"address": n}} for n in range(125)}
    tls = {"ca": papers.ca, "certificate": papers.ours[0], "key": papers.ours[1]}
    heard = Heard()
    async with serving(device(papers, asks=True)) as server:
        server.words(1, HOLDING, 0, *range(125))
        server.in_pieces = True
        async with running(bus_of(server.port, tls, bind(1, points)), heard):
            await until(lambda: len(heard.observations) >= 2)

    assert heard.values("d1")[:2] == [{f"p{n}": n for n in range(125)}] * 2


async def test_a_device_without_trusted_papers_is_not_read(papers: Papers) -> None:
    """A certificate signed by somebody else ends the run before anything is asked."""
    async with serving(device(papers)) as server:
        with pytest.raises(SourceDown, match=r"certificate that is not trusted.*check tls\.ca and host"):
            await bus_of(server.port, {"ca": papers.other}, bind(1, one())).run(Heard())

    assert server.requests == []


async def test_a_device_that_misses_our_certificate_is_an_outage(papers: Papers) -> None:
    """TLS 1.3 tells only after the handshake that our certificate is missing: the message says where to look."""
    async with serving(device(papers, asks=True)) as server:
        with pytest.raises(SourceDown, match=r"whether it asks for tls\.certificate"):
            await bus_of(server.port, {"ca": papers.ca}, bind(1, one())).run(Heard())


async def test_a_port_without_tls_is_said(papers: Papers) -> None:
    """TLS against a plain Modbus TCP port is told as what it is, or as nobody answering."""
    async with serving() as server:
        with pytest.raises(SourceDown, match="takes no"):
            await bus_of(server.port, {"ca": papers.ca}, bind(1, one())).run(Heard())
