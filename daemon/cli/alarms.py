"""`precomplaint alarms …`: see alarms, acknowledge, shelve and maintain, and how the site does with them."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from daemon.cli.asking import CONFIG, ROMAN, ConfigOption, UserOption, ask, default_user, local, say
from daemon.cli.asking import zone as zone_of
from daemon.cli.terminal import Output, OutputOption, print_line
from daemon.model import ConfigError

app = typer.Typer(no_args_is_help=True, help="Alarms: list, show, acknowledge, shelve, maintain, figures.")
maintenance = typer.Typer(no_args_is_help=True, help="Keep back the orders of an asset while it is worked on.")
app.add_typer(maintenance, name="maintenance")

NumberArgument = Annotated[int, typer.Argument(help="the alarm's number", min=1)]
AnyNumber = Annotated[int | None, typer.Argument(help="the alarm's number; or give --rule and --asset", min=1)]
RuleOption = Annotated[str | None, typer.Option(help="a rule's id")]
AssetOption = Annotated[str | None, typer.Option(help="an asset's id")]
ForOption = Annotated[str, typer.Option("--for", help="for how long: 30min, 4h, 2d")]
WhyOption = Annotated[str, typer.Option(help="why: it stands in the audit")]

_DISPOSITION = {
    "own_order": "有工单 order",
    "child": "并入 child of",
    "withheld_shadow": "试运行 shadow",
    "withheld_late": "补报 late",
    "withheld_shelved": "已搁置 shelved",
    "withheld_cap": "已达上限 capped",
    "withheld_maintenance": "检修中 maintenance",
}
_STATE = {"active": "报警 active", "clearing": "恢复中 clearing", "cleared": "已恢复 cleared"}


@app.command("list")
def list_alarms(
    config: ConfigOption = CONFIG,
    *,
    every: Annotated[bool, typer.Option("--all", help="those that are over as well, newest first")] = False,
    asset: AssetOption = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    output: OutputOption = Output.TEXT,
) -> None:
    """List open alarms, what became of each, and until when it is held."""
    answer = ask(config, output, "alarms", all=every, asset=asset, limit=limit)
    if output is Output.JSON:
        return
    zone = zone_of(config)
    for row in answer["alarms"]:
        print_line(_line(row, zone))
    if not answer["alarms"]:
        print_line("没有报警 no alarms")


@app.command()
def show(number: NumberArgument, config: ConfigOption = CONFIG, output: OutputOption = Output.TEXT) -> None:
    """Show one alarm: its changes with their numbers, its order, its children, and who did what."""
    answer = ask(config, output, "alarm", alarm=number)
    if output is Output.JSON:
        return
    zone = zone_of(config)
    print_line(_line(answer, zone))
    if answer["order"]:
        print_line(f"    工单 order {answer['order']}")
    if answer["children"]:
        print_line(f"    并入的报警 children {', '.join(str(no) for no in answer['children'])}")
    for change in answer["changes"]:
        numbers = "; ".join(f"{p} = {v} {u}, {limit}" for p, v, u, _, _, limit in change["observed"])
        arrow = f"{change['before']} -> {change['after']}"
        print_line(
            f"    {local(change['at'], zone)}  {arrow}  {change['level']}  {change['cause']}  {numbers}".rstrip()
        )
    for done in answer["done"]:
        print_line(f"    {local(done['at'], zone)}  {done['user']}: {done['action']}  {done['detail']}")


@app.command()
def ack(
    number: NumberArgument,
    config: ConfigOption = CONFIG,
    reason: WhyOption = "",
    user: UserOption = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Say that you have seen an alarm."""
    ask(config, output, "acknowledge", alarm=number, user=user or default_user(), reason=reason)
    say(output, f"已确认 acknowledged: {number}")


@app.command()
def reset(
    number: NumberArgument,
    reason: WhyOption,
    config: ConfigOption = CONFIG,
    user: UserOption = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """End a latched alarm: what it was about is over, and you have seen to it."""
    ask(config, output, "reset", alarm=number, user=user or default_user(), reason=reason)
    say(output, f"已复位 reset: {number}")


@app.command()
def shelve(  # noqa: PLR0913, PLR0917  one option each
    span: ForOption,
    reason: WhyOption,
    number: AnyNumber = None,
    config: ConfigOption = CONFIG,
    rule: RuleOption = None,
    asset: AssetOption = None,
    level: Annotated[str | None, typer.Option(help="hold this level too; default: the alarm's own")] = None,
    user: UserOption = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Keep back an alarm's orders for a time; it is watched on, and what is more urgent breaks through."""
    what = _which(number, rule, asset)
    given = {"for": span, "reason": reason, "level": level, "user": user or default_user()}
    answer = ask(config, output, "shelve", **what, **given)
    if output is Output.TEXT:
        until = local(answer["until"], zone_of(config))
        print_line(f"已搁置至 shelved until {until}: {answer['shelved']} {answer['asset']}, {answer['level']}")


@app.command()
def unshelve(
    number: AnyNumber = None,
    config: ConfigOption = CONFIG,
    rule: RuleOption = None,
    asset: AssetOption = None,
    user: UserOption = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """End a shelf before its time; what is still there gets its order at once."""
    answer = ask(config, output, "unshelve", **_which(number, rule, asset), user=user or default_user())
    say(output, f"已取消搁置 unshelved: {answer['unshelved']} {answer['asset']}")


@app.command("shelved")
def list_mutes(config: ConfigOption = CONFIG, output: OutputOption = Output.TEXT) -> None:
    """List what is shelved or under maintenance, by whom, why and until when."""
    answer = ask(config, output, "mutes")
    if output is Output.JSON:
        return
    zone = zone_of(config)
    for one in answer["mutes"]:
        what = f"{one['rule']} {one['asset']} {one['level']}".strip()
        until = local(one["until"], zone)
        print_line(f"{one['kind']:<9} {what}  至 until {until}  {one['user']}: {one['reason']}")
    if not answer["mutes"]:
        print_line("没有搁置或检修 nothing is shelved or under maintenance")


@maintenance.command("begin")
def begin_maintenance(
    asset: Annotated[str, typer.Argument(help="an asset's id, or * for the whole site")],
    span: ForOption,
    reason: WhyOption,
    config: ConfigOption = CONFIG,
    user: UserOption = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Keep back an asset's orders while it is worked on; rules that are never suppressed go on as ever."""
    given = {"for": span, "reason": reason, "user": user or default_user()}
    answer = ask(config, output, "maintain", asset=asset, **given)
    if output is Output.TEXT:
        print_line(f"检修至 under maintenance until {local(answer['until'], zone_of(config))}: {asset}")


@maintenance.command("end")
def end_maintenance(
    asset: Annotated[str, typer.Argument(help="an asset's id, or * for the whole site")],
    config: ConfigOption = CONFIG,
    user: UserOption = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """The work is done; what is still there gets its order at once."""
    ask(config, output, "end_maintenance", asset=asset, user=user or default_user())
    say(output, f"检修结束 maintenance ended: {asset}")


@app.command()
def kpi(
    days: Annotated[float, typer.Option(help="of so many days", min=0.01, max=400)] = 7,
    config: ConfigOption = CONFIG,
    output: OutputOption = Output.TEXT,
) -> None:
    """How the site does with its alarms, after ISA-18.2: a day, floods, chattering, stale, top ten."""
    answer = ask(config, output, "alarm_kpi", days=days)
    if output is Output.JSON:
        return
    zone = zone_of(config)
    print_line(f"{local(answer['since'], zone)} .. {local(answer['until'], zone)}")
    rows = {
        "报警 alarms": f"{answer['alarms']} ({answer['alarms_per_day']}/d), 抑制 withheld {answer['withheld']}",
        "洪泛 in flood": f"{answer['flood_percent']} %, 10 min 峰值 peak {answer['peak_in_10min']}",
        "级别 levels": ", ".join(f"{ROMAN[level]} {n}" for level, n in answer["by_level"].items()),
        "去向 dispositions": ", ".join(f"{_DISPOSITION[d]} {n}" for d, n in answer["by_disposition"].items() if n),
        "未恢复 standing": str(answer["standing"]),
    }
    for name, value in rows.items():
        print_line(f"{name:<20} {value}")
    for one in answer["stale"]:
        print_line(f"超过 24 h stale: #{one['no']} {one['rule']} {one['asset']}, {one['hours']} h")
    for one in answer["chattering"]:
        print_line(f"抖动 chattering: {one['rule']} {one['asset']}, {one['in_a_minute']}/min")
    for n, one in enumerate(answer["top_ten"], 1):
        print_line(f"{n:>2}. {one['rule']} {one['asset']}: {one['alarms']} ({one['percent']} %)")


def _which(number: int | None, rule: str | None, asset: str | None) -> dict[str, object]:
    if (number is None) == (rule is None or asset is None):
        raise ConfigError(["name one alarm by its number, or a rule and an asset: --rule ID --asset ID"])
    return {"alarm": number} if number is not None else {"rule": rule, "asset": asset}


def _line(row: dict[str, Any], zone: ZoneInfo) -> str:
    fate = _DISPOSITION[row["disposition"]]
    fate += f" #{row['parent']}" if row["parent"] else ""
    fate += f" 至 until {local(row['held_until'], zone)}" if row["held_until"] and not row["parent"] else ""
    flags = " 数据未知 data unknown" if row["data"] == "unknown" and row["state"] != "cleared" else ""
    flags += " 待复位 to be reset" if row["latched"] else ""
    flags += f" 已确认 seen by {row['acknowledged_by']}" if row["acknowledged_by"] else ""
    title = f"{row['asset_name']['zh']} {row['title']['zh']} ({row['asset']} {row['rule']})"
    since = local(row["active_at"], zone)
    return f"#{row['no']:<4} {ROMAN[row['level']]} {_STATE[row['state']]}{flags}  {since}  {title}  {fate}"
