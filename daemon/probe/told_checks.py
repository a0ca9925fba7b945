"""A ticketing service told in YAML looked at: reach, search, changes, open tickets. Nothing is created or written."""

from __future__ import annotations

import secrets

import aiohttp

from daemon.clock import Clock
from daemon.model import Reject, Retry, Site
from daemon.outputs.ticketing.declared import DeclaredSink
from daemon.outputs.ticketing.shape import DeclaredConfig
from daemon.probe.peers import Caller, Check, Unreachable, failed, ok, unknown
from daemon.store.outbox import Followed


async def check_told(config: DeclaredConfig, site: Site, clock: Clock) -> list[Check]:
    """Look at it: every request that only asks is sent once; what only writing could show is said."""
    async with aiohttp.ClientSession(trust_env=False) as http:
        try:
            answer = await Caller(http, config.url, clock, config.timeout).ask("GET", "/")
        except Unreachable as error:
            return [failed("reach", str(error), "")]
    checks = [ok("reach", f"可达：{config.url}", "it answers")]
    async with DeclaredSink(config, site, clock, name="probe") as sink:
        checks += [await _search(sink, config, site), await _states(sink, config, clock), await _open(sink, config)]
    checks.append(answer.clock())
    checks.append(
        unknown(
            "beyond",
            "无法预知：能否开单、正文与编码是否被接受、备注能否写上；先看 `precomplaint orders preview`",
            "cannot be known without an order: whether it takes creates, codes and notes; see `orders preview` first",
        )
    )
    return checks


async def _search(sink: DeclaredSink, config: DeclaredConfig, site: Site) -> Check:
    if config.requests.search is None:
        return unknown("search", "未配置查询（requests.search）", "no search is told in YAML")
    try:  # alarms are numbered from 1: there can be no order with this key
        found = await sink.find(f"{site.id}|probe|probe|{secrets.token_hex(6)}|0")
    except (Retry, Reject) as error:
        return failed("search", str(error), "")
    if found is not None:
        return failed(
            "search",
            f"查询不存在的单却得到 {found}：match 与 contains/equals 没有起作用",
            f"asked for what cannot exist it names {found}: match with contains or equals does not hold it back",
        )
    return ok("search", "查询正常（不存在的单，无结果）", "asked for what cannot exist it names none")


async def _states(sink: DeclaredSink, config: DeclaredConfig, clock: Clock) -> Check:
    requests = config.requests
    if requests.changes is None and requests.ticket is None:
        return unknown(
            "changes",
            "此系统不轮询：接单、完成等由 webhook 或 `precomplaint orders stamp` 登记",
            "it is not polled: persons' work enters by a webhook or by `precomplaint orders stamp`",
        )
    nobody = Followed("0", "probe|probe|probe|0|0", clock.now())
    try:
        await sink.changes("", (nobody,))
    except Reject as error:
        if requests.ticket is not None:  # there is no such ticket: it answers as it should
            return unknown("changes", f"逐单查询的应答：{error}", "one ticket at a time; the one asked for is none")
        return failed("changes", str(error), "")
    except Retry as error:
        return failed("changes", str(error), "")
    return ok("changes", "状态变化可轮询", "states can be polled")


async def _open(sink: DeclaredSink, config: DeclaredConfig) -> Check:
    if config.requests.open is None:
        return unknown(
            "open",
            "未配置未结工单列表：更换网关后须人工核对",
            "no list of open tickets is told in YAML: after a lost ledger they are looked over by hand",
        )
    try:
        tickets = await sink.open_tickets()
    except (Retry, Reject) as error:
        return failed("open", str(error), "")
    return ok("open", f"现有未结工单 {len(tickets)} 张", f"{len(tickets)} open tickets")
