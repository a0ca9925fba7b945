"""A store of time series looked at: who it is, whether lines can be written, whose clock is right.

An empty body is written: InfluxDB 2 looks at token, organisation, bucket and permission before it looks at the body,
and takes an empty one (before 2.1 it answers 400, `writing requires points`, at the same place). No line is left.
"""

from __future__ import annotations

import re

import aiohttp

from daemon.clock import Clock
from daemon.outputs.influx import InfluxConfig
from daemon.probe.peers import Answer, Caller, Check, Unreachable, common_fault, failed, ok, unknown

_WRITE = "/api/v2/write"
_NO_POINTS = "writing requires points"


async def check_influx(config: InfluxConfig, clock: Clock) -> list[Check]:
    """Look at it."""
    async with aiohttp.ClientSession(trust_env=False) as http:
        caller = Caller(http, config.url, clock, config.timeout)
        token = config.token.get_secret_value() if config.token else ""
        headers = {"Authorization": f"Token {token}"} if token else {}
        try:
            ping = await caller.ask("GET", "/ping", headers=headers)
            query = {"org": config.org, "bucket": config.bucket, "precision": "ms"}
            written = await caller.ask("POST", _WRITE, query=query, headers=headers)
        except Unreachable as error:
            return [failed("reach", str(error), "")]
    name, version = _who(ping, written)
    checks = [ok("reach", f"可达：{config.url}", "it answers"), _identity(name, version)]
    checks += _judge_write(config, written, name, version)
    checks.append(written.clock())
    checks.append(
        unknown(
            "beyond",
            "无法预知：字段类型是否冲突、磁盘空间；只有真正写入才知道",
            "cannot be known without writing: a conflict of field types, room on its disk",
        )
    )
    return checks


def _who(ping: Answer, written: Answer) -> tuple[str, str]:
    """Product and version, as far as it says."""
    version = ping.headers.get("X-Influxdb-Version", "").removeprefix("v")
    if not version and "X-Server-Hostname" in written.headers:
        return "VictoriaMetrics", ""
    return ("InfluxDB", version) if version else ("", "")


def _identity(name: str, version: str) -> Check:
    if not name:
        return unknown("server", "对方没有说明自己是什么", "it does not say what it is")
    return ok("server", f"{name} {version}".strip(), "")


def _judge_write(config: InfluxConfig, answer: Answer, name: str, version: str) -> list[Check]:  # noqa: PLR0911  a table
    """What the answer to an empty write says of the path and of the permission."""
    if (fault := common_fault("write", answer, _WRITE)) is not None:
        return [fault]
    bucket = f"org {config.org}, bucket {config.bucket}"
    there = ok("write", f"{_WRITE} 可用（{bucket}）", f"{_WRITE} is there")
    proven = ok("permission", "令牌可写入该桶", "the token may write this bucket")
    match answer.status:
        case 200 | 204 if version.startswith("2."):
            return [there, proven]
        case 200 | 204:
            return [there, _permission_unknown(name)]
        case 400 if _NO_POINTS in answer.said:
            return [there, proven]
        case 400:
            return [
                unknown("write", f"{_WRITE} 返回 400：{answer.said}", f"{_WRITE} answers 400: see what it says"),
                _permission_unknown(name),
            ]
        case 401 | 403:
            return [there, _refused(config, answer.status)]
        case 404 | 405:
            return [_not_there(config, answer, version)]
        case _:
            return [failed("write", f"{_WRITE} 返回 {answer.status}：{answer.said}", "check influx.url")]


def _permission_unknown(name: str) -> Check:
    who = name or "对方 it"
    return unknown(
        "permission",
        f"{who} 对空写入不查令牌：能否写入要等第一行数据",
        "it does not look at the token of an empty write: the first line will tell",
    )


def _refused(config: InfluxConfig, status: int) -> Check:
    if config.token is None:
        return failed(
            "permission",
            f"要求令牌（{status}），而 gateway.yaml 未写：influx.token: ${{cred:influx_token}}",
            f"it asks for a token ({status}) and none is written: influx.token",
        )
    return failed(
        "permission",
        f"令牌被拒（{status}）：换一个可写桶 {config.bucket} 的令牌",
        f"the token is refused ({status}): set one that may write bucket {config.bucket}",
    )


def _not_there(config: InfluxConfig, answer: Answer, version: str) -> Check:
    told = answer.json
    said = str(told.get("message") or told.get("error") or "") if isinstance(told, dict) else ""
    old = re.match(r"(0|1)\.(\d+)", version)
    if old is not None and (old[1] == "0" or int(old[2]) < 8):
        return failed(
            "write",
            f"InfluxDB {version} 没有 {_WRITE}（1.8 起才有）：升级到 1.8 或 2.x，或改用 VictoriaMetrics；"
            "1.8 中 bucket 写“数据库/保留策略”，token 写“用户:密码”",
            f"InfluxDB {version} has no {_WRITE}, which came with 1.8: upgrade to 1.8 or 2, or take VictoriaMetrics; "
            "with 1.8 bucket is `database/retention-policy` and token `user:password`",
        )
    if said:
        return failed(
            "write",
            f"{said}：在服务器上建立 org {config.org}、bucket {config.bucket}，或更正 gateway.yaml",
            f"create org {config.org} and bucket {config.bucket} there, or correct gateway.yaml",
        )
    return failed(
        "write",
        f"{config.url} 下没有 {_WRITE}（{answer.status}）：更正 influx.url",
        f"there is no {_WRITE} under this address ({answer.status}): correct influx.url",
    )
