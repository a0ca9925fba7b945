"""The page's words in both languages, its colours and its clockwork."""

from __future__ import annotations

from dataclasses import dataclass

LEVELS = {"I": "Ⅰ", "II": "Ⅱ", "III": "Ⅲ"}


@dataclass(frozen=True, slots=True)
class Words:
    """Everything the page says in one language."""

    #: BCP 47
    tag: str
    #: The language's own name.
    name: str
    heading: str
    summary: str
    no_orders: str
    footer: str
    #: Who acts when somebody presses a button.
    somebody: str
    levels: dict[str, str]
    statuses: dict[str, str]
    #: Buttons, in their order.
    actions: dict[str, str]
    notes: dict[str, str]
    qualities: dict[str, str]
    limit: str
    left: str
    over: str
    late: str
    why: str
    cause: str
    consequence: str
    steps: str
    remark: str
    households: str


WORDS = {
    "zh": Words(
        tag="zh-CN",
        name="中文",
        heading="预投诉工单",
        summary="共 {all} 张，{open} 张待接单",
        no_orders="暂无工单：目前一切正常。",
        footer="工单系统替身，仅供演示与测试；不是安全装置，不能替代报警电话。",
        somebody="值班员",
        levels={"I": "紧急", "II": "一般", "III": "建议"},
        statuses={
            "open": "待接单",
            "accepted": "已接单",
            "arrived": "已到场",
            "done": "已完成",
            "verified": "复核通过",
            "rejected": "误报",
            "cancelled": "已取消",
        },
        actions={"accept": "接单", "arrive": "到场", "finish": "完成", "reject": "误报"},
        notes={"update": "更新", "recovery": "恢复", "reopen": "二次处理", "verified": "复核通过"},
        qualities={"suspect": "可疑", "bad": "无效"},
        limit="限值",
        left="剩 {} 响应",
        over="已超时 {}",
        late="事后发现",
        why="触发依据",
        cause="可能原因",
        consequence="后果",
        steps="处置步骤",
        remark="备注（可不填）",
        households="影响 {n} 户",
    ),
    "en": Words(
        tag="en",
        name="English",
        heading="Pre-complaint work orders",
        summary="{all} in all, {open} waiting to be accepted",
        no_orders="No orders: all is well at present.",
        footer="Stand-in ticketing service for demonstration and tests; no safety device, replaces no alarm call.",
        somebody="Duty staff",
        levels={"I": "Urgent", "II": "Normal", "III": "Advice"},
        statuses={
            "open": "Waiting",
            "accepted": "Accepted",
            "arrived": "On site",
            "done": "Done",
            "verified": "Verified",
            "rejected": "False alarm",
            "cancelled": "Cancelled",
        },
        actions={"accept": "Accept", "arrive": "On site", "finish": "Done", "reject": "False alarm"},
        notes={"update": "Update", "recovery": "Recovered", "reopen": "Second handling", "verified": "Verified"},
        qualities={"suspect": "suspect", "bad": "bad"},
        limit="limit",
        left="respond in {}",
        over="overdue by {}",
        late="seen late",
        why="Why it fired",
        cause="Probable cause",
        consequence="Consequence",
        steps="First steps",
        remark="Remark (optional)",
        households="{n} households",
    ),
}

STYLE = """
*{box-sizing:border-box}body{margin:0;background:#f3f4f6;color:#1f2937;
font:16px/1.5 system-ui,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC","WenQuanYi Zen Hei",sans-serif}
header,main,footer{max-width:44rem;margin:0 auto;padding:.75rem 1rem}
header{display:flex;justify-content:space-between;align-items:center;gap:1rem}
h1{font-size:1.25rem;margin:0}header p{margin:0;color:#4b5563;font-size:.875rem}
header a{padding:.5rem .75rem;border:1px solid #d1d5db;border-radius:.5rem;background:#fff;color:#1d4ed8;
text-decoration:none;white-space:nowrap}
article{background:#fff;border-left:.375rem solid #9ca3af;border-radius:.5rem;padding:.875rem 1rem;
margin-bottom:1rem;box-shadow:0 1px 2px #0002;overflow-wrap:anywhere}
.levelI{border-color:#b91c1c}.levelII{border-color:#b45309}.levelIII{border-color:#1d4ed8}
.done,.verified,.rejected,.cancelled{border-color:#9ca3af;opacity:.75}
.top{display:flex;flex-wrap:wrap;gap:.5rem;align-items:center;font-size:.875rem}
.badge{color:#fff;background:#6b7280;border-radius:.25rem;padding:.125rem .5rem;font-weight:600}
.levelI .badge{background:#b91c1c}.levelII .badge{background:#b45309}.levelIII .badge{background:#1d4ed8}
.status{border:1px solid #d1d5db;border-radius:.25rem;padding:.0625rem .5rem}
.due{margin-left:auto;font-variant-numeric:tabular-nums;font-weight:600}.over{color:#b91c1c}
h2{font-size:1.0625rem;margin:.5rem 0 .125rem}.place{margin:0;color:#4b5563;font-size:.875rem}
.late{color:#b45309}code{font-size:.8125rem}i{color:#b45309;font-style:normal;font-weight:400}
.evidence{list-style:none;margin:.5rem 0;padding:0;font-size:.875rem}
.evidence li{display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 1rem;padding:.375rem 0;
border-bottom:1px solid #e5e7eb}.evidence small{flex-basis:100%;color:#6b7280;font-size:.8125rem}
dl{margin:.5rem 0;font-size:.875rem}dt{color:#6b7280;font-size:.8125rem}dd{margin:0 0 .25rem}
summary{cursor:pointer;padding:.25rem 0;font-size:.875rem;color:#1d4ed8}ol{margin:.25rem 0;padding-left:1.5rem}
.notes{list-style:none;margin:.5rem 0;padding:0;font-size:.875rem}.notes li{padding:.125rem 0}
.recovery b{color:#047857}.by{margin:.5rem 0;font-size:.875rem;color:#374151}
form{margin-top:.5rem}input{width:100%;font:inherit;padding:.5rem .625rem;border:1px solid #d1d5db;border-radius:.5rem}
.buttons{display:flex;flex-wrap:wrap;gap:.5rem;margin-top:.5rem}
button{flex:1 1 5rem;min-height:2.75rem;font:inherit;white-space:nowrap;border:1px solid #d1d5db;border-radius:.5rem;
background:#fff;color:#1f2937;cursor:pointer}
button.accept,button.finish{background:#1d4ed8;border-color:#1d4ed8;color:#fff}button.reject{color:#b91c1c}
.fine{margin:.5rem 0 0;color:#6b7280;font-size:.75rem}.none{text-align:center;color:#4b5563;padding:2rem 0}
footer{color:#6b7280;font-size:.75rem}
"""

# Counts down each second; loads the page anew each 10 s unless somebody is writing a remark or reading the steps.
SCRIPT = """
const tick=()=>document.querySelectorAll('[data-due]').forEach(e=>{
const s=Math.trunc((e.dataset.due-Date.now())/1000),a=Math.abs(s);
e.className=s<0?'due over':'due';
e.textContent=(s<0?e.dataset.over:e.dataset.left).replace('{}',Math.floor(a/60)+':'+String(a%60).padStart(2,'0'))});
setInterval(tick,1000);
setInterval(()=>{const busy=[...document.querySelectorAll('input')].some(i=>i.value||i===document.activeElement);
if(!busy&&!document.querySelector('details[open]'))location.reload()},10000);
"""
