from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from simulators import ticketing

CONTRACT = Path(__file__).parents[3] / "config" / "ticketing" / "openapi.yaml"


@pytest.fixture
def order() -> dict[str, Any]:
    """A work order that the service accepts: the contract's own example."""
    document = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    example: dict[str, Any] = document["components"]["examples"]["LiftOrder"]["value"]
    return example


@pytest.fixture
async def service() -> AsyncIterator[ticketing.Ticketing]:
    async with ticketing.serving() as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
