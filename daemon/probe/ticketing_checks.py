"""A ticketing service looked at: reach, token, search, changes, clock. It is only asked; no order is ever created."""

from __future__ import annotations

import secrets

import aiohttp

from daemon.clock import Clock
from daemon.model import Reject, Retry
from daemon.outputs.ticketing.contract import TicketingConfig, TicketingSink
from daemon.probe.peers import Answer, Caller, Check, Unreachable, common_fault, failed, ok, unknown

_ORDERS = "/v1/orders"


async def check_ticketing(config: TicketingConfig, site: str, clock: Clock) -> list[Check]:
    """Look at it; `site` is the id under which our orders stand there."""
    async with aiohttp.ClientSession(trust_env=False) as http:
        caller = Caller(http, config.url, clock, config.timeout)
        token = config.token.get_secret_value() if config.token else ""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # alarms are numbered from 1: there can be no order with this key
        query = {"key": f"{site}|probe|probe|{secrets.token_hex(6)}|0"}
        try:
            found = await caller.ask("GET", _ORDERS, query=query, headers=headers)
            stranger = await caller.ask("GET", _ORDERS, query=query) if token else None
        except Unreachable as error:
            return [failed("reach", str(error), "")]
    checks = [ok("reach", f"可达：{config.url}", "it answers")]
    if (fault := _refusal(config, found)) is not None:
        return [*checks, fault, found.clock()]
    checks += [_token(stranger), _search(found)]
    checks += await _by_the_contract(config, site)
    checks.append(found.clock())
    checks.append(
        unknown(
            "beyond",
            "无法预知：能否开单、正文是否被接受；只有真正开单才知道",
            "cannot be known without an order: whether it opens one, and takes what ours say",
        )
    )
    return checks


def _refusal(config: TicketingConfig, answer: Answer) -> Check | None:
    """Why nothing further can be asked."""
    if (fault := common_fault("search", answer, _ORDERS)) is not None:
        return fault
    match answer.status:
        case 200:
            return None
        case 401 | 403 if config.token is None:
            return failed(
                "token",
                f"要求令牌（{answer.status}），而 gateway.yaml 未写：ticketing.token: ${{cred:ticketing_token}}",
                f"it asks for a token ({answer.status}) and none is written: ticketing.token",
            )
        case 401 | 403:
            return failed(
                "token",
                f"令牌被拒（{answer.status}）：换一个有效的",
                f"the token is refused ({answer.status}): set a valid one",
            )
        case 404 | 405:
            return failed(
                "search",
                f"{config.url} 下没有 {_ORDERS}（{answer.status}）：更正 ticketing.url，它写在 /v1/orders 之前的部分",
                f"there is no {_ORDERS} under this address ({answer.status}): ticketing.url is what stands before it",
            )
        case status:
            return failed("search", f"{_ORDERS} 返回 {status}：{answer.said}", "the contract is docs/ticketing.md")


def _token(stranger: Answer | None) -> Check:
    if stranger is None:
        return unknown("token", "未配置令牌，对方也不要求", "no token is written, and it asks for none")
    if stranger.status in (401, 403):
        return ok("token", "令牌有效", "the token is taken, and asked for")
    return unknown(
        "token",
        f"对方不查令牌：不带令牌也答 {stranger.status}，任何人都能访问",
        f"it does not look at tokens: without one it answers {stranger.status}, so anybody may ask",
    )


def _search(found: Answer) -> Check:
    told = found.json
    orders = told.get("orders") if isinstance(told, dict) else None
    if not isinstance(orders, list):
        return failed(
            "search",
            f"{_ORDERS} 的应答不合约定：{found.said}",
            "it does not answer as the contract says (docs/ticketing.md); check ticketing.url",
        )
    if orders:
        return failed(
            "search",
            f"按不存在的键查询却返回 {len(orders)} 张工单：对方没有按 key 过滤",
            f"asked for a key that cannot exist it names {len(orders)} orders: it does not look at `key`",
        )
    return ok("search", "按键查询正常（不存在的键，无结果）", "asked for a key that cannot exist it names none")


async def _by_the_contract(config: TicketingConfig, site: str) -> list[Check]:
    """What the daemon asks for all the time."""
    checks: list[Check] = []
    async with TicketingSink(config, site, name="probe") as sink:
        try:
            tickets = await sink.open_tickets()
            checks.append(
                ok("open", f"项目 {site} 现有未结工单 {len(tickets)} 张", f"{len(tickets)} open orders of this site")
            )
        except (Retry, Reject) as error:
            checks.append(failed("open", str(error), ""))
        try:
            await sink.changes("")
            checks.append(ok("changes", "状态变化可轮询", "changes can be polled"))
        except (Retry, Reject) as error:
            checks.append(failed("changes", str(error), ""))
    return checks
