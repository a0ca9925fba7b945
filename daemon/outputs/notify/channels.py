"""Channels as gateway.yaml names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

import aiohttp
from pydantic import Field, model_validator

from daemon.clock import Clock
from daemon.documents import Strict
from daemon.outputs.notify.channel import Channel
from daemon.outputs.notify.courier import Route
from daemon.outputs.notify.rest import AppriseConfig, Rest
from daemon.outputs.notify.robots import DingTalk, DingTalkConfig, Feishu, FeishuConfig, WeCom, WeComConfig

Role = Literal["duty", "team", "maintainer", "supervisor", "project_manager", "headquarters", "residents"]


class ChannelConfig(Strict):
    """Whom a group robot or mailbox serves."""

    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    language: Literal["zh", "en", "both"] = "zh"
    #: Messages a minute; what is more is put together. WeCom and DingTalk allow 20.
    per_minute: Annotated[int, Field(ge=1, le=100)] = 20
    wecom: WeComConfig | None = None
    dingtalk: DingTalkConfig | None = None
    feishu: FeishuConfig | None = None
    apprise: AppriseConfig | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [peer for peer in (self.wecom, self.dingtalk, self.feishu, self.apprise) if peer is not None]
        if len(given) != 1:
            raise ValueError("a channel has exactly one of wecom, dingtalk, feishu and apprise")
        if "residents" in self.roles and len(self.roles) > 1:
            raise ValueError("a channel for residents is theirs alone; give the other roles a channel of their own")
        if "residents" in self.roles and self.wecom is not None and self.wecom.pictures:
            raise ValueError("residents are shown no charts, which are internal; remove pictures")
        if self.apprise is not None:
            Rest(self.apprise)
        return self

    def open(self, http: aiohttp.ClientSession, clock: Clock) -> Channel:
        """The channel itself."""
        if self.wecom is not None:
            return WeCom(self.wecom, http, clock)
        if self.dingtalk is not None:
            return DingTalk(self.dingtalk, http, clock)
        if self.feishu is not None:
            return Feishu(self.feishu, http, clock)
        assert self.apprise is not None  # noqa: S101  validated above
        return Rest(self.apprise)


def routes(channels: Mapping[str, ChannelConfig], http: aiohttp.ClientSession, clock: Clock) -> dict[str, Route]:
    """Every configured channel, by name."""
    return {
        name: Route(config.open(http, clock), config.roles, config.language, config.per_minute)
        for name, config in channels.items()
    }
