from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway import Gateway, Peers


@pytest.fixture
async def peers(tmp_path: Path) -> AsyncIterator[Peers]:
    """Stand-ins, none of them started."""
    peers = Peers(tmp_path / "peers")
    peers.folder.mkdir()
    yield peers
    await peers.stop()


@pytest.fixture
def gateway(tmp_path: Path, peers: Peers) -> Gateway:
    """A sound configuration that names them."""
    return Gateway(tmp_path / "gateway", peers)
