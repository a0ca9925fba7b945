"""Charts on their way to people: after the words, once, and never in their way."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import structlog

from daemon.model import Level, from_ms
from daemon.outputs import illustrator
from daemon.outputs.notify.channels import ChannelConfig
from daemon.store import charts, notices
from simulators.robots import Robots
from tests.unit.outputs.conftest import StateFile
from tests.unit.outputs.test_courier import courier, until, wecom
from tests.unit.outputs.test_illustrator import Gateway


def pictured(robots: Robots) -> dict[str, object]:
    return {"roles": ["duty"], "per_minute": 100, "wecom": {"secret": robots.key, "url": robots.url, "pictures": True}}


def told(state: StateFile, gateway: Gateway, *, level: Level = Level.I, key: str | None = None) -> None:
    text = {"zh": "机房过热", "en": "hot"}
    body = {"staff": {"title": text, "text": text}, "residents": None}
    moment = charts.of_order(gateway.db, gateway.key())[0].plan.to_ms
    at = from_ms(moment)
    state._transaction(lambda db: notices.add(db, key or gateway.key(), "created", ["duty"], level, at, body))


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    made = Gateway(tmp_path)
    made.heat(0, 10, 20, room_temp=50.0)
    made.db.execute("DELETE FROM notice")
    return made


@pytest.fixture
def state(gateway: Gateway, tmp_path: Path) -> StateFile:
    return StateFile(tmp_path)


async def test_the_chart_follows_the_words_about_a_level_i_order(gateway: Gateway, state: StateFile) -> None:
    """As soon as it can be drawn, as a PNG; the words did not wait for it."""
    told(state, gateway)
    async with Robots() as robots, courier(state, {"duty": pictured(robots)}):
        await until(lambda: len(robots.taken) == 1)
        (asked,) = charts.unread(gateway.db, 9)
        charts.keep(gateway.db, asked, illustrator.look_up(gateway.path, asked))
        await until(lambda: len(robots.taken) == 2)

    first, second = (body for _, _, body in robots.taken)
    assert (first["msgtype"], second["msgtype"]) == ("text", "image")
    assert base64.b64decode(second["image"]["base64"]).startswith(b"\x89PNG")


async def test_no_picture_where_none_was_wished_or_none_is_there(gateway: Gateway, state: StateFile) -> None:
    """Other levels, other channels, an order without a chart, one that could not be drawn."""
    (asked,) = charts.unread(gateway.db, 9)
    charts.keep(gateway.db, asked, b"")
    told(state, gateway)
    told(state, gateway, level=Level.II)
    told(state, gateway, key="no chart")
    async with (
        Robots() as robots,
        Robots() as plain,
        courier(state, {"duty": pictured(robots), "plain": wecom(plain, "duty")}),
    ):
        await until(lambda: len(robots.taken) == 3 == len(plain.taken))

    assert {body["msgtype"] for _, _, body in (*robots.taken, *plain.taken)} == {"text"}


async def test_a_refused_picture_is_told_and_not_tried_again(gateway: Gateway, state: StateFile) -> None:
    """The words were taken; nobody is told twice for a picture's sake."""
    (asked,) = charts.unread(gateway.db, 9)
    charts.keep(gateway.db, asked, illustrator.look_up(gateway.path, asked))
    told(state, gateway)
    with structlog.testing.capture_logs() as logs:
        async with Robots() as robots:
            robots.script += [(200, '{"errcode": 0}'), (200, '{"errcode": 301019, "errmsg": "image md5 not match"}')]
            async with courier(state, {"duty": pictured(robots)}):
                await until(lambda: any(line["event"] == "picture_not_sent" for line in logs))

    assert notices.counts(state.db)["duty"] == {"delivered": 1}


def test_residents_are_shown_no_charts() -> None:
    """A notice to residents holds nothing internal."""
    config = {"roles": ["residents"], "wecom": {"secret": "k", "pictures": True}}

    with pytest.raises(ValueError, match="residents are shown no charts"):
        ChannelConfig.model_validate(config)
