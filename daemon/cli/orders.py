"""`precomplaint orders …`: see work orders with their timelines, stamp, cancel, and try again what was refused."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from daemon.charts.raster import PngUnavailable, png
from daemon.cli.asking import CONFIG, ROMAN, ConfigOption, UserOption, ask, default_user, local, say, zone
from daemon.cli.orders_preview import preview_orders
from daemon.cli.terminal import USAGE, Output, OutputOption, print_line
from daemon.workorders.notices import SENSOR, WORDS, told_as

app = typer.Typer(no_args_is_help=True, help="Work orders: list, show, stamp, cancel, retry, found, reconcile.")

OrderArgument = Annotated[str, typer.Argument(help="the order's key, or the number of its alarm")]

app.command("preview")(preview_orders)

_STATUS = {
    "pending": "待发送 pending",
    "sent": "待接单 sent",
    "accepted": "已接单 accepted",
    "arrived": "已到场 arrived",
    "verifying": "复核中 verifying",
    "verified": "复核通过 verified",
    "reopened": "二次处理 reopened",
    "rejected": "误报 false alarm",
    "cancelled": "已取消 cancelled",
    "parked": "未送达 parked",
}


@app.command("list")
def list_orders(
    config: ConfigOption = CONFIG,
    *,
    every: Annotated[bool, typer.Option("--all", help="finished ones as well")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    output: OutputOption = Output.TEXT,
) -> None:
    """List the orders in hand: level, where each stands, and what is due next."""
    answer = ask(config, output, "orders", all=every, limit=limit)
    if output is Output.JSON:
        return
    at = zone(config)
    for row in answer["orders"]:
        print_line(_line(row, at))
    if not answer["orders"]:
        print_line("没有工单 no orders")


@app.command()
def show(
    order: OrderArgument,
    config: ConfigOption = CONFIG,
    chart: Annotated[Path | None, typer.Option(help="write its newest chart there, as SVG or PNG by its name")] = None,
    occasion: Annotated[str | None, typer.Option(help="which chart: opened, recovered, reopened, verified")] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show one order in one screen: promises with their deadlines, and everything that happened, in order."""
    if chart is not None:
        _write_chart(order, config, chart, occasion, output)
        return
    answer = ask(config, output, "order", order=order)
    if output is Output.JSON:
        return
    at = zone(config)
    print_line(_line(answer, at))
    print_line(f"  {answer['key']}")
    print_line(f"  {answer['explanation']['zh']}")
    print_line(f"  {answer['explanation']['en']}")
    print_line(f"  优先级 priority: {answer['priority']['arithmetic']['zh']}")
    if answer["complaints"]:
        print_line(f"  本单投诉 complaints on it: {answer['complaints']}")
    if answer["data_losses"]:
        print_line(f"  数据中断 data lost: {answer['data_losses']}")
    for promise in answer["promises"]:
        print_line(f"  {_promised(promise, at)}")
    for event in _timeline(answer):
        print_line(f"  {local(event[0], at)}  {event[1]}".rstrip())


def _write_chart(order: str, config: Path, file: Path, occasion: str | None, output: Output) -> None:
    answer = ask(config, output, "order_chart", order=order, occasion=occasion)
    try:
        if file.suffix.lower() == ".png":
            file.write_bytes(png(answer["svg"]))
        else:
            file.write_text(answer["svg"], encoding="utf-8")
    except (OSError, PngUnavailable) as error:
        typer.echo(f"{file}: {error}", err=True)
        raise typer.Exit(USAGE) from error
    say(output, f"已写入 written: {file} ({answer['occasion']}, {local(answer['at'], zone(config))})")


@app.command()
def stamp(
    order: OrderArgument,
    name: Annotated[
        str,
        typer.Argument(
            help="planned, replied, called_back, a step of a procedure; accepted, arrived, done, verified, rejected"
        ),
    ],
    config: ConfigOption = CONFIG,
    note: Annotated[str, typer.Option(help="what is to be remembered")] = "",
    user: UserOption = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Say that something promised was done, or how far the work is where the ticketing service cannot tell."""
    ask(config, output, "order_stamp", order=order, stamp=name, note=note, user=user or default_user())
    say(output, f"已记录 noted: {name}")


@app.command()
def cancel(
    order: OrderArgument,
    reason: Annotated[str, typer.Option(help="why: it stands in the audit and on the ticket")],
    config: ConfigOption = CONFIG,
    user: UserOption = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Cancel an order: nothing more is due, and the ticket is told so."""
    ask(config, output, "order_cancel", order=order, reason=reason, user=user or default_user())
    say(output, f"已取消 cancelled: {order}")


@app.command()
def retry(
    order: OrderArgument, config: ConfigOption = CONFIG, user: UserOption = "", output: OutputOption = Output.TEXT
) -> None:
    """Have what the ticketing service refused asked again."""
    ask(config, output, "order_retry", order=order, user=user or default_user())
    say(output, f"将重试 will be tried again: {order}")


@app.command()
def found(
    order: OrderArgument,
    ref: Annotated[str, typer.Argument(help="the ticket's reference there")],
    config: ConfigOption = CONFIG,
    user: UserOption = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Say that the ticket of an order that was given up is there: its notes go on to it."""
    ask(config, output, "order_found", order=order, ref=ref, user=user or default_user())
    say(output, f"已关联 found: {order} → {ref}")


@app.command()
def reconcile(config: ConfigOption = CONFIG, output: OutputOption = Output.TEXT) -> None:
    """Hold the orders in hand against the ticketing service; tickets that no order here knows are told so."""
    answer = ask(config, output, "orders_reconcile")
    if output is Output.JSON:
        return
    for one in answer["found"]:
        print_line(f"已找到 found: {one['order']} → {one['ref']}")
    for one in answer["missing"]:
        print_line(f"未找到 missing: {one['order']} ({one['ref']})")
    for one in answer["duplicates"]:
        print_line(f"重复 duplicate: {one['order']}: {one['kept']} ← {', '.join(one['others'])}")
    if answer["cannot"]:
        print_line(f"无法核对 cannot compare: {answer['cannot']}")
    print_line(f"已核对 compared: {answer['compared']}")


def _line(row: dict[str, Any], at: ZoneInfo) -> str:
    flags = f" 第 {row['rounds'] + 1} 次处理" if row["rounds"] else ""
    flags += " 待人工判定 undecided" if row["undecided"] else ""
    flags += f" 超时 overdue: {', '.join(row['overdue'])}" if row["overdue"] else ""
    due = f"  下一时限 next {local(row['next_at'], at)}" if row["next_at"] else ""
    title = f"{row['building']} {row['asset_name']['zh']} {row['title']['zh']} ({row['asset']} {row['rule']})".strip()
    return f"#{row['alarm']:<4} {ROMAN[row['level']]} {_STATUS[row['status']]}{flags}  {title}{due}"


def _promised(promise: dict[str, Any], at: ZoneInfo) -> str:
    title = f"{promise['title']['zh']} {promise['title']['en']}"
    if promise["kept_at"] is not None:
        late = "，超时 late" if promise["due"] is not None and promise["kept_at"] > promise["due"] else ""
        return f"[✓] {title}: {local(promise['kept_at'], at)}{late}"
    if promise["due"] is None:
        return f"[ ] {title}"
    return f"[{'!' if promise['missed'] else ' '}] {title}: 至 until {local(promise['due'], at)}"


def _timeline(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """What happened to the order and what the ticketing service took of it, in order."""
    told = []
    for event in answer["timeline"]:
        words = told_as(event["occasion"], event["by"]) if event["occasion"] in WORDS else None
        what = f"{words.zh} {words.en}" if words is not None else event["occasion"]
        late = "（停机期间 while down）" if event["late"] else ""
        by = f"  {event['by']}" if event["by"] not in {"", SENSOR} else ""
        told.append((event["at"], f"{what} {event['promise']}{late}{by}  {event['detail']}".rstrip()))
    for one in answer["deliveries"]:
        if one["delivered_at"] is not None:
            ref = f" {one['ref']}" if one["ref"] else ""
            told.append((one["delivered_at"], f"→ 工单系统 ticketing: {one['action']}{ref}"))
        elif one["last_error"] or one["tried_at"]:
            doubt = "（可能已建 it may be there）" if one["tried_at"] else ""
            at = one["tried_at"] or one["created_at"]
            told.append((at, f"✗ 工单系统 ticketing: {one['action']} {one['state']}{doubt}: {one['last_error']}"))
    return sorted(told, key=lambda line: line[0])
