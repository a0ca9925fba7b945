"""What things are called in a review."""

from __future__ import annotations

from collections.abc import Mapping

from daemon.model import Disposition, Text

TYPES: Mapping[str, Text] = {
    "pre_complaint": Text("预投诉", "Pre-complaint"),
    "incident": Text("事件（困人等）", "Incident (entrapment …)"),
    "instrument": Text("仪表与网关", "Instruments"),
    "root_cause": Text("根因调查", "Root cause"),
}
CATEGORIES: Mapping[str, Text] = {
    "facility": Text("设施", "Facility"),
    "service": Text("服务", "Service"),
    "safety": Text("安全", "Safety"),
}
KINDS: Mapping[str, Text] = {
    "lift": Text("电梯", "Lift"),
    "pump_room": Text("泵房", "Pump room"),
    "water_zone": Text("供水分区", "Water zone"),
    "fire_main": Text("消防管网", "Fire main"),
    "access_gate": Text("道闸", "Access gate"),
    "site": Text("项目整体", "Whole site"),
}
STATUSES: Mapping[str, Text] = {
    "pending": Text("待发送", "Pending"),
    "sent": Text("待接单", "Sent"),
    "accepted": Text("已接单", "Accepted"),
    "arrived": Text("已到场", "On site"),
    "verifying": Text("复核中", "Checking"),
    "verified": Text("复核通过", "Verified"),
    "reopened": Text("二次处理", "Second handling"),
    "rejected": Text("误报", "False alarm"),
    "cancelled": Text("已取消", "Cancelled"),
    "parked": Text("工单系统拒收", "Refused"),
}
DISPOSITIONS: Mapping[Disposition, Text] = {
    Disposition.OWN_ORDER: Text("单独开单", "Own order"),
    Disposition.CHILD: Text("并入其他工单", "On another's order"),
    Disposition.WITHHELD_SHADOW: Text("试运行，未开单", "Shadow mode"),
    Disposition.WITHHELD_LATE: Text("迟到数据，未开单", "Late data"),
    Disposition.WITHHELD_SHELVED: Text("人工搁置，未开单", "Shelved"),
    Disposition.WITHHELD_CAP: Text("当日上限，未开单", "Daily cap"),
    Disposition.WITHHELD_MAINTENANCE: Text("检修中，未开单", "Maintenance"),
}
CHANNEL_STATES: Mapping[str, Text] = {
    "delivered": Text("已送达", "Delivered"),
    "pending": Text("待送", "Waiting"),
    "parked": Text("未送达（已放弃）", "Given up"),
}
ROLES: Mapping[str, Text] = {
    "duty": Text("值班", "Duty"),
    "team": Text("班组", "Team"),
    "maintainer": Text("维保单位", "Maintainer"),
    "supervisor": Text("主管", "Supervisor"),
    "project_manager": Text("项目经理", "Project manager"),
    "headquarters": Text("总部", "Headquarters"),
    "residents": Text("住户", "Residents"),
}
WHOLE_SITE = Text("项目整体", "Whole site")
NO_BUILDING = Text("（不分楼栋）", "(no building)")
NOBODY = Text("（无人接单）", "(nobody accepted)")


def called(words: Mapping[str, Text], name: str) -> Text:
    """What something is called; its own name where nothing better is known."""
    return words.get(name, Text(name, name))
