"""What the demo shows on a terminal: calm, in Chinese first, from the file that anybody may read."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from daemon.model import Reading
from daemon.settings import Configuration
from daemon.store import journal, ledger
from daemon.store.db import FILE, reader

_LEVELS = {1: ("Ⅰ", "bold red"), 2: ("Ⅱ", "yellow"), 3: ("Ⅲ", "cyan")}
_POINTS = 6


def render(configuration: Configuration, received: int, written: int, page: str, seconds: float) -> RenderableType:
    """One frame."""
    file = configuration.state_dir / FILE
    with reader(file) as db:
        (last,) = db.execute("SELECT coalesce(max(seq), 0) FROM journal").fetchone()
        latest = {r.point: r for _, o in journal.observations(db, last - 400, last, 400) for r in o.readings}
        orders = ledger.orders(db, 8)
    site = configuration.catalogue.site
    head = Text.assemble(
        (f"{site.name.zh}  {site.name.en}\n", "bold"),
        f"收到读数 received {received}   写入时序库 written {written}\n",
        f"工单页面 tickets: {page}/   ",
        f"{seconds:.0f} s" if seconds else "Ctrl-C 结束 to end",
    )
    return Group(head, _readings(configuration, latest), _orders(orders, ZoneInfo(site.timezone)))


def _readings(configuration: Configuration, latest: dict[str, Reading]) -> Table:
    points = {point.id: point for point in configuration.catalogue.points}
    table = Table(title="最新读数 latest readings", title_justify="left", box=None, show_header=False)
    for asset in configuration.catalogue.assets:
        # what opens orders at once first, then what is measured
        own = sorted((p for p in points.values() if p.asset == asset.id), key=lambda p: (not p.urgent, not p.unit))
        told = [(p, latest[p.id]) for p in own if p.id in latest][:_POINTS]
        shown = "   ".join(f"{p.name} {_value(r)} {p.unit}".strip() for p, r in told)
        table.add_row(Text(asset.name.zh, "bold"), shown)
    return table


def _value(reading: Reading) -> str:
    return reading.value if isinstance(reading.value, str) else f"{reading.value:.3g}"


def _orders(orders: list[ledger.OrderRow], zone: ZoneInfo) -> Table:
    table = Table(title="预投诉工单 pre-complaint orders", title_justify="left", box=None)
    for column in ("级别", "资产 asset", "标题 title", "状态 status", "响应时限 respond by"):
        table.add_column(column)
    for order in orders:
        roman, style = _LEVELS[order.level]
        title = order.document["title"]
        by = order.respond_by.astimezone(zone).strftime("%H:%M:%S")
        table.add_row(Text(roman, style), order.asset, f"{title['zh']} {title['en']}", order.status, by)
    if not orders:
        table.add_row("", "—", "一切正常 all is well", "", "")
    return table
