"""Group robots over real sockets: a refusal in the body is a refusal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest
from pydantic import SecretStr, ValidationError

from daemon.clock import SiteClock
from daemon.model import Level, Reject, Retry
from daemon.outputs.notify.channel import Channel, Message, cut
from daemon.outputs.notify.channels import ChannelConfig
from simulators.robots import Robots

URGENT = Message("【预投诉 Ⅰ级】B3 电梯", "安全回路断开", Level.I)
GENERAL = Message("【预投诉 Ⅱ级】B3 水泵", "启动频繁", Level.II)
KEY = SecretStr("robot-key")


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def channel(
    robots: Robots, http: aiohttp.ClientSession, service: str, key: str = "robot-key", **more: object
) -> Channel:
    name = "secret" if service == "wecom" else "token"
    config = ChannelConfig.model_validate({"roles": ["duty"], service: {name: key, "url": robots.url, **more}})
    return config.open(http, SiteClock())


@pytest.mark.parametrize("service", ["wecom", "dingtalk", "feishu"])
async def test_a_message_arrives(http: aiohttp.ClientSession, service: str) -> None:
    """Title and text stand in the group."""
    async with Robots() as robots:
        await channel(robots, http, service).send(GENERAL)

        assert robots.texts(service) == ["【预投诉 Ⅱ级】B3 水泵\n启动频繁"]


@pytest.mark.parametrize("service", ["wecom", "dingtalk", "feishu"])
async def test_a_wrong_key_is_refused_although_http_says_200(http: aiohttp.ClientSession, service: str) -> None:
    """The body says so, and the error says what to check without telling the key."""
    async with Robots() as robots:
        with pytest.raises(Reject, match="check key, keyword") as error:
            await channel(robots, http, service, key="not-this-one").send(URGENT)

    assert "not-this-one" not in str(error.value)
    assert robots.taken == []


@pytest.mark.parametrize(
    ("service", "wait"),
    [("wecom", timedelta(minutes=1)), ("dingtalk", timedelta(minutes=10)), ("feishu", timedelta(minutes=1))],
)
async def test_too_fast_is_kept(http: aiohttp.ClientSession, service: str, wait: timedelta) -> None:
    """A throttled message is not lost: it waits as long as the service shuts the robot out."""
    async with Robots(per_minute=1) as robots:
        robot = channel(robots, http, service)
        await robot.send(GENERAL)
        with pytest.raises(Retry) as error:
            await robot.send(GENERAL)

    assert error.value.after == wait


@pytest.mark.parametrize("service", ["dingtalk", "feishu"])
async def test_signed_with_the_secret(http: aiohttp.ClientSession, service: str) -> None:
    """The signature is what the service computes; another secret is refused."""
    right, wrong = {"secret": "SEC+/=1"}, {"secret": "SEC2"}
    async with Robots(secret=right["secret"]) as robots:
        await channel(robots, http, service, **right).send(GENERAL)
        with pytest.raises(Reject):
            await channel(robots, http, service, **wrong).send(GENERAL)

    assert len(robots.taken) == 1


@pytest.mark.parametrize("service", ["dingtalk", "feishu"])
async def test_the_keyword_is_added(http: aiohttp.ClientSession, service: str) -> None:
    """A robot secured by a keyword gets it in each message, once."""
    async with Robots(keyword="物业") as robots:
        robot = channel(robots, http, service, keyword="物业")
        await robot.send(GENERAL)
        await robot.send(Message("物业通知", "…", Level.II))

    assert [text.count("物业") for text in robots.texts(service)] == [1, 1]


async def test_persons_are_mentioned_at_level_i_only(http: aiohttp.ClientSession) -> None:
    """Each service in its own way, and nobody for what can wait."""
    async with Robots() as robots:
        for service, who in (("wecom", "13800000000"), ("dingtalk", "13800000000"), ("feishu", "ou_1")):
            robot = channel(robots, http, service, mention=[who])
            await robot.send(URGENT)
            await robot.send(GENERAL)

    wecom, quiet, dingtalk, silent, feishu, mute = (body for _, _, body in robots.taken)
    assert wecom["text"]["mentioned_mobile_list"] == ["13800000000"]
    assert "mentioned_mobile_list" not in quiet["text"]
    assert dingtalk["at"]["atMobiles"] == ["13800000000"]
    assert "@13800000000" in dingtalk["text"]["content"]
    assert silent["at"]["atMobiles"] == []
    assert '<at user_id="ou_1">' in feishu["content"]["text"]
    assert "<at" not in mute["content"]["text"]


async def test_long_messages_are_cut_to_bytes(http: aiohttp.ClientSession) -> None:
    """WeCom counts bytes, three a Chinese character: what is too long is cut between characters and marked."""
    async with Robots() as robots:
        await channel(robots, http, "wecom").send(Message("标题", "压力" * 2000, Level.II))

    (text,) = robots.texts("wecom")
    assert len(text.encode()) <= 2048
    assert text.endswith(("压…", "力…"))


@pytest.mark.parametrize(
    ("answer", "kind", "ambiguous"),
    [
        ((200, "<html>login</html>"), Reject, False),
        ((200, "[]"), Reject, False),
        ((404, "{}"), Reject, False),
        ((500, "{}"), Retry, True),
        ((429, "{}"), Retry, False),
    ],
)
async def test_strange_answers(
    http: aiohttp.ClientSession,
    answer: tuple[int, str],
    kind: type[Exception],
    ambiguous: bool,  # noqa: FBT001
) -> None:
    """What is no robot is refused, what is ill is tried again."""
    async with Robots(script=[answer]) as robots:
        with pytest.raises(kind) as error:
            await channel(robots, http, "dingtalk").send(GENERAL)

    assert getattr(error.value, "ambiguous", False) is ambiguous


async def test_a_dead_peer_tells_no_secret(http: aiohttp.ClientSession) -> None:
    """Nobody listens there: kept, and neither the error nor its cause holds the token."""
    async with Robots() as robots:
        pass

    with pytest.raises(Retry, match="cannot be reached") as error:
        await channel(robots, http, "feishu", key="t0ken").send(GENERAL)

    assert "t0ken" not in str(error.value)
    assert error.value.__cause__ is None


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"roles": ["duty"]}, "exactly one of"),
        ({"roles": ["boss"], "wecom": {"secret": "x"}}, "roles"),
        ({"roles": ["residents", "duty"], "wecom": {"secret": "x"}}, "theirs alone"),
        ({"roles": ["duty"], "apprise": {"secret": "dingtalk://token"}}, "write wecom, dingtalk or feishu"),
        ({"roles": ["duty"], "apprise": {"secret": "nonsense://token"}}, "does not know such an address"),
        ({"roles": ["duty"], "wecom": {"secret": "x", "mention": ["call me"]}}, "mention"),
    ],
)
def test_faults_of_a_channel(config: dict[str, object], says: str) -> None:
    """A channel that cannot work is found when it is read; its secret is not shown."""
    with pytest.raises(ValidationError, match=says) as error:
        ChannelConfig.model_validate(config)

    assert "token" not in str(error.value.errors(include_input=False))


def test_cut_leaves_short_texts_alone() -> None:
    """Only what is too long is marked."""
    assert cut("压力", 6) == "压力"
    assert cut("压力低", 8) == "压…"
