"""What the stand-in ERP holds, and its habits."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable

_ZONE = ZoneInfo("Asia/Shanghai")
URGENCY = {"041001": "紧急", "041002": "一般", "041003": "建议"}
CLASSES = {"050101": "设施", "050102": "服务", "050103": "安全"}
STATUS = {"1": "待受理", "2": "处理中", "3": "已完结", "4": "已拒绝", "5": "已取消"}
BUILDINGS = frozenset(f"HY-B{n}" for n in range(1, 10))
_LONGEST_TITLE, _LONGEST_CONTENT = 100, 2000
_REQUIRED = ("companyCode", "source", "workClass", "urgency", "title", "workContent", "buildingCode")
#: What a person does: the status it leads to, and the stamp it sets.
DEEDS = {
    "accept": ("2", "receDate"),
    "arrive": ("2", "arrDate"),
    "finish": ("3", "dealDate"),
    "reject": ("4", "dealDate"),
    "cancel": ("5", "dealDate"),
}


@dataclass(frozen=True, slots=True)
class Habits:
    """How this ERP is set up."""

    #: A create tells the ticket's number.
    returns_id: bool = False
    #: The token that counts for ever; empty: one logs in.
    token: str = ""
    account: str = "gateway"
    password: str = "secret"  # noqa: S105  nobody's
    #: Seconds after which a token from a login has expired.
    token_for: float = 7200.0
    #: Seconds until a ticket is found by a search.
    lag: float = 0.0
    charset: Literal["utf-8", "gbk"] = "utf-8"


class Refused(Exception):
    """Its code and words are the answer."""

    def __init__(self, code: str, msg: str) -> None:
        super().__init__(code, msg)
        self.code = code
        self.msg = msg


@dataclass(slots=True)
class Ticket:
    """One 工单, by the names of its interface."""

    workNo: str  # noqa: N815  as the interface has it
    workClass: str  # noqa: N815
    urgency: str
    title: str
    workContent: str  # noqa: N815
    buildingCode: str  # noqa: N815
    address: str
    contactMan: str  # noqa: N815
    tel: str
    source: str
    createDate: str  # noqa: N815
    updateDate: str  # noqa: N815
    status: str = "1"
    receDate: str = ""  # noqa: N815
    arrDate: str = ""  # noqa: N815
    dealDate: str = ""  # noqa: N815
    dealMan: str = ""  # noqa: N815
    dealResult: str = ""  # noqa: N815
    remarks: list[str] = field(default_factory=list)


class Tickets:
    """All of them, in memory."""

    def __init__(self, habits: Habits, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.habits = habits
        self._monotonic = monotonic
        self._tickets: dict[str, Ticket] = {}
        #: When a search begins to find it.
        self._visible: dict[str, float] = {}
        self._tokens: dict[str, float] = {}

    # --- who asks ----------------------------------------------------------------------------------------

    def login(self, body: dict[str, Any]) -> dict[str, Any]:
        """A token for a while.

        Raises:
            Refused: account or password are wrong.
        """
        if (body.get("account"), body.get("password")) != (self.habits.account, self.habits.password):
            raise Refused("1400", "账号或密码错误")
        token = f"tk-{len(self._tokens) + 1:04d}"
        self._tokens[token] = self._monotonic() + self.habits.token_for
        return {"accessToken": token, "expiresIn": int(self.habits.token_for)}

    def admit(self, token: str) -> None:
        """Let whoever shows this token pass.

        Raises:
            Refused: it is none, or has expired.
        """
        habits = self.habits
        good = token == habits.token if habits.token else self._tokens.get(token, 0.0) > self._monotonic()
        if not good:
            raise Refused("1401", "token 无效或已过期，请重新登录")

    def expire(self) -> None:
        """From now on nobody's token counts."""
        self._tokens.clear()

    # --- tickets -----------------------------------------------------------------------------------------

    def create(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """Another ticket, whatever there is already.

        Raises:
            Refused: a field is missing or too long, or a code is not in the dictionary.
        """
        for name in _REQUIRED:
            if not body.get(name) or not isinstance(body[name], str):
                raise Refused("1001", f"缺少必填参数: {name}")
        for name, known, words in (
            ("urgency", URGENCY, "紧急程度编码不存在"),
            ("workClass", CLASSES, "工单类别编码不存在"),
            ("buildingCode", BUILDINGS, "楼栋编码不存在"),
        ):
            if body[name] not in known:
                raise Refused("1003", f"{words}: {body[name]}")
        if len(body["title"]) > _LONGEST_TITLE or len(body["workContent"]) > _LONGEST_CONTENT:
            raise Refused("1004", "标题或内容超长")
        now = self._now()
        number = f"WX{now[:10].replace('-', '')}{len(self._tickets) + 1:04d}"
        self._tickets[number] = Ticket(
            workNo=number,
            createDate=now,
            updateDate=now,
            workClass=body["workClass"],
            urgency=body["urgency"],
            title=body["title"],
            workContent=body["workContent"],
            buildingCode=body["buildingCode"],
            source=body["source"],
            address=str(body.get("address", "")),
            contactMan=str(body.get("contactMan", "")),
            tel=str(body.get("tel", "")),
        )
        self._visible[number] = self._monotonic() + self.habits.lag
        return {"workNo": number} if self.habits.returns_id else None

    def page(self, body: dict[str, Any]) -> dict[str, Any]:
        """A page of what a search finds by now, the newest first."""
        keyword, states = str(body.get("keyword", "")), str(body.get("status", ""))
        wanted = {state for state in states.split(",") if state}
        since, now = str(body.get("updatedFrom", "")), self._monotonic()
        found = [
            ticket
            for ticket in reversed(self._tickets.values())
            if self._visible[ticket.workNo] <= now
            and (keyword in ticket.title or keyword in ticket.workContent)
            and (not wanted or ticket.status in wanted)
            and ticket.updateDate >= since
        ]
        try:
            size, number = max(1, min(100, int(body.get("pageSize", 10)))), max(1, int(body.get("pageNo", 1)))
        except (TypeError, ValueError):
            raise Refused("1001", "分页参数错误") from None
        first = (number - 1) * size
        return {"total": len(found), "records": [asdict(ticket) for ticket in found[first : first + size]]}

    def find(self, number: str) -> Ticket:
        """The ticket of that number.

        Raises:
            Refused: there is none.
        """
        ticket = self._tickets.get(number)
        if ticket is None:
            raise Refused("1005", f"工单不存在: {number}")
        return ticket

    def remark(self, body: dict[str, Any]) -> None:
        """Write on a ticket.

        Raises:
            Refused: there is none, or nothing to write.
        """
        ticket, content = self.find(str(body.get("workNo", ""))), body.get("content")
        if not content or not isinstance(content, str):
            raise Refused("1001", "缺少必填参数: content")
        ticket.remarks.append(content)
        ticket.updateDate = self._now()

    def act(self, number: str, deed: str, by: str, note: str = "") -> Ticket:
        """A person does something about a ticket.

        Raises:
            Refused: there is none, or nobody knows that deed.
        """
        ticket = self.find(number)
        if deed not in DEEDS:
            raise Refused("1001", f"不支持的操作: {deed}")
        ticket.status, stamp = DEEDS[deed]
        ticket.updateDate = self._now()
        ticket.dealMan, ticket.dealResult = by, note
        setattr(ticket, stamp, ticket.updateDate)
        return ticket

    def all(self) -> list[Ticket]:
        """Every ticket, the oldest first, findable or not."""
        return list(self._tickets.values())

    def _now(self) -> str:
        return datetime.now(UTC).astimezone(_ZONE).strftime("%Y-%m-%d %H:%M:%S")
