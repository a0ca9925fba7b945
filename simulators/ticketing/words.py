"""The pages' words in both languages."""

from __future__ import annotations

from dataclasses import dataclass

LEVELS = {"I": "Ⅰ", "II": "Ⅱ", "III": "Ⅲ"}


@dataclass(frozen=True, slots=True)
class Words:
    """Everything the pages say in one language."""

    #: BCP 47
    tag: str
    #: The language's own name.
    name: str
    #: Single sentences and labels, by name.
    say: dict[str, str]
    levels: dict[str, str]
    columns: dict[str, str]
    statuses: dict[str, str]
    #: Buttons, in their order.
    actions: dict[str, str]
    notes: dict[str, str]
    qualities: dict[str, str]
    types: dict[str, str]
    stamps: dict[str, str]
    #: What is waited for: in time, and overdue.
    due: dict[str, tuple[str, str]]
    problems: dict[str, str]
    channels: dict[str, str]
    categories: dict[str, str]
    urgencies: dict[str, str]
    customers: dict[str, str]
    kinds: dict[str, str]


WORDS = {
    "zh": Words(
        tag="zh-CN",
        name="中文",
        say={
            "heading": "工单看板",
            "summary": "未结 {open} · 待接单 {waiting} · 超时 {overdue}",
            "overdue": "{n} 张工单已超时",
            "none": "暂无",
            "footer": "工单系统替身，仅供演示与测试；不是安全装置，不能替代报警电话。",
            "somebody": "值班员",
            "board": "看板",
            "complain": "登记投诉",
            "export": "导出投诉",
            "all": "全部",
            "building": "楼栋",
            "level": "级别",
            "kind": "来源",
            "filter": "筛选",
            "rounds": "二次处理 ×{n}",
            "late": "事后发现",
            "why": "触发依据",
            "evidence": "证据",
            "limit": "限值",
            "cause": "可能原因",
            "consequence": "后果",
            "steps": "处置步骤",
            "basis": "依据",
            "rule": "规则",
            "priority": "优先级",
            "previous": "近期同类工单",
            "households": "影响 {n} 户",
            "timeline": "经过",
            "chart": "走势图",
            "opened": "开单",
            "complained": "投诉登记",
            "gateway": "网关",
            "actions": "处理",
            "by": "处理人",
            "remark": "备注（可不填）",
            "more": "派单、节点、照片",
            "team": "派给班组",
            "stamp": "完成节点",
            "photos": "照片（JPEG、PNG、WebP，每张不超过 5 MB）",
            "photo": "照片",
            "record": "记录进度",
            "progress": "进度",
            "dispatched": "派单至 {team}",
            "text": "投诉内容",
            "channel": "渠道",
            "category": "类别",
            "urgency": "紧急程度",
            "customer": "客户类型",
            "room": "房号（如 3-1-1202）",
            "asset_kind": "设备类别",
            "asset": "设备编号（知道才填）",
            "at": "发现时间（不填为现在）",
            "send": "提交",
            "unknown": "不清楚",
            "privacy": "不要填写姓名、电话。",
            "days": "{d}天{h}时",
        },
        levels={"I": "紧急", "II": "一般", "III": "建议"},
        columns={"open": "待接单", "accepted": "已接单", "arrived": "处理中", "done": "待确认", "closed": "已结"},
        statuses={
            "open": "待接单",
            "accepted": "已接单",
            "arrived": "已到场",
            "done": "已完成",
            "verified": "已确认",
            "rejected": "误报",
            "cancelled": "已取消",
        },
        actions={
            "accept": "接单",
            "arrive": "到场",
            "finish": "完成",
            "confirm": "业主确认",
            "reopen": "二次处理",
            "reject": "误报",
        },
        notes={"update": "更新", "recovery": "已恢复", "reopen": "二次处理", "verified": "传感器复核通过"},
        qualities={"suspect": "可疑", "bad": "无效"},
        types={
            "pre_complaint": "预投诉",
            "incident": "事故",
            "instrument": "仪表",
            "root_cause": "根因",
            "complaint": "投诉",
        },
        stamps={
            "planned": "已答复方案",
            "replied": "已答复业主",
            "called_back": "已回访",
            "calmed": "已安抚",
            "maintainer_called": "已通知维保",
            "rescued": "已解救",
            "reported": "已出报告",
        },
        due={
            "respond": ("剩 {} 响应", "响应超时 {}"),
            "arrive": ("剩 {} 到场", "到场超时 {}"),
            "resolve": ("剩 {} 办结", "办结超时 {}"),
        },
        problems={
            "not_now": "工单状态已变，此操作未执行。",
            "type": "照片须为 JPEG、PNG 或 WebP；什么也没有记录。",
            "size": "照片超过 5 MB；什么也没有记录。",
            "number": "一次最多 6 张照片；什么也没有记录。",
            "empty": "没有可记录的内容。",
            "field": "填写有误：{}",
        },
        channels={
            "app": "业主 App",
            "wechat": "微信",
            "hotline": "热线",
            "desk": "前台",
            "notice_box": "意见箱",
            "community_office": "居委会",
        },
        categories={"facility": "设施", "service": "服务", "safety": "安全"},
        urgencies={"urgent": "紧急", "normal": "一般", "suggestion": "建议"},
        customers={"owner": "业主", "tenant": "租户", "merchant": "商户", "other": "其他"},
        kinds={"lift": "电梯", "water_zone": "供水"},
    ),
    "en": Words(
        tag="en",
        name="English",
        say={
            "heading": "Work orders",
            "summary": "{open} open · {waiting} waiting · {overdue} overdue",
            "overdue": "Overdue orders: {n}",
            "none": "None",
            "footer": "Stand-in ticketing service for demonstration and tests; no safety device, no alarm call.",
            "somebody": "Duty staff",
            "board": "Board",
            "complain": "New complaint",
            "export": "Export complaints",
            "all": "All",
            "building": "Building",
            "level": "Level",
            "kind": "Source",
            "filter": "Filter",
            "rounds": "Second handling ×{n}",
            "late": "seen late",
            "why": "Why it fired",
            "evidence": "Evidence",
            "limit": "limit",
            "cause": "Probable cause",
            "consequence": "Consequence",
            "steps": "First steps",
            "basis": "Basis",
            "rule": "Rule",
            "priority": "Priority",
            "previous": "Recent orders about the same",
            "households": "{n} households",
            "timeline": "Timeline",
            "chart": "Chart",
            "opened": "Opened",
            "complained": "Complaint taken",
            "gateway": "Gateway",
            "actions": "What to do",
            "by": "Your name",
            "remark": "Remark (optional)",
            "more": "Team, milestone, photos",
            "team": "Dispatch to team",
            "stamp": "Milestone done",
            "photos": "Photos (JPEG, PNG, WebP, at most 5 MB each)",
            "photo": "Photo",
            "record": "Record progress",
            "progress": "Progress",
            "dispatched": "Dispatched to {team}",
            "text": "What is wrong",
            "channel": "Channel",
            "category": "Category",
            "urgency": "Urgency",
            "customer": "Customer",
            "room": "Room (as in 3-1-1202)",
            "asset_kind": "Kind of equipment",
            "asset": "Asset id (if known)",
            "at": "Noticed at (empty: now)",
            "send": "Send",
            "unknown": "Not known",
            "privacy": "Leave out names and telephone numbers.",
            "days": "{d}d {h}h",
        },
        levels={"I": "Urgent", "II": "Normal", "III": "Advice"},
        columns={
            "open": "Waiting",
            "accepted": "Accepted",
            "arrived": "On site",
            "done": "To confirm",
            "closed": "Closed",
        },
        statuses={
            "open": "Waiting",
            "accepted": "Accepted",
            "arrived": "On site",
            "done": "Done",
            "verified": "Verified",
            "rejected": "False alarm",
            "cancelled": "Cancelled",
        },
        actions={
            "accept": "Accept",
            "arrive": "On site",
            "finish": "Done",
            "confirm": "Owner confirms",
            "reopen": "Second handling",
            "reject": "False alarm",
        },
        notes={
            "update": "Update",
            "recovery": "Recovered",
            "reopen": "Second handling",
            "verified": "Verified by sensor",
        },
        qualities={"suspect": "suspect", "bad": "bad"},
        types={
            "pre_complaint": "Pre-complaint",
            "incident": "Incident",
            "instrument": "Instrument",
            "root_cause": "Root cause",
            "complaint": "Complaint",
        },
        stamps={
            "planned": "Plan answered",
            "replied": "Resident answered",
            "called_back": "Called back",
            "calmed": "Passengers calmed",
            "maintainer_called": "Maintainer called",
            "rescued": "Rescued",
            "reported": "Report written",
        },
        due={
            "respond": ("respond in {}", "response overdue {}"),
            "arrive": ("arrive in {}", "arrival overdue {}"),
            "resolve": ("resolve in {}", "resolution overdue {}"),
        },
        problems={
            "not_now": "The order has moved on; nothing was done.",
            "type": "A photo must be JPEG, PNG or WebP; nothing was recorded.",
            "size": "A photo is larger than 5 MB; nothing was recorded.",
            "number": "At most 6 photos at once; nothing was recorded.",
            "empty": "There is nothing to record.",
            "field": "Please mend: {}",
        },
        channels={
            "app": "Residents' app",
            "wechat": "WeChat",
            "hotline": "Hotline",
            "desk": "Desk",
            "notice_box": "Notice box",
            "community_office": "Community office",
        },
        categories={"facility": "Facility", "service": "Service", "safety": "Safety"},
        urgencies={"urgent": "Urgent", "normal": "Normal", "suggestion": "Suggestion"},
        customers={"owner": "Owner", "tenant": "Tenant", "merchant": "Merchant", "other": "Other"},
        kinds={"lift": "Lift", "water_zone": "Water supply"},
    ),
}
