"""A work-order interface as property ERPs (物业系统) have it, to fit the gateway to.

What it does like them, and where that hurts a client:

- every answer is HTTP 200; what happened stands in the body: `{"code": "0", "msg": "操作成功", "data": …}`, refused
  `{"code": "1003", "msg": "紧急程度编码不存在: high", "data": null}`
- kinds, levels, states and buildings are codes of its dictionary (`urgency` 041001 紧急, 041002 一般, 041003 建议;
  `workClass` 050101 设施, 050102 服务, 050103 安全; `status` 1 待受理, 2 处理中, 3 已完结, 4 已拒绝, 5 已取消;
  `buildingCode` HY-B1 … HY-B9)
- a create tells no number of the ticket (`--returns-id`: it does), and the same create again is a second ticket
- a ticket can be searched for by a word in its title or content, but only some seconds after it was made (`--lag`)
- moments are local time without an offset, `2026-11-22 14:30:05`, as everywhere in China
- a token is asked for in the header `X-Access-Token`: got by logging in (it expires after `--token-for`, and then the
  answer is HTTP 200 with code 1401), or given for good (`--token`)
- answers may be in GBK (`--charset gbk`)

    POST /api/auth/login             account, password                       -> accessToken, expiresIn
    POST /api/workorder/create       companyCode, source, workClass, urgency, title, workContent, buildingCode;
                                     address, contactMan, tel                -> null, or workNo
    POST /api/workorder/page         pageNo, pageSize, keyword, status ("1,2"), updatedFrom -> total, records
    GET  /api/workorder/detail       ?workNo=                                -> the ticket
    POST /api/workorder/remark       workNo, content
    POST /api/workorder/cancel       workNo, reason

Persons act at `POST /person/{workNo}` with `{"do": "accept", "by": "张师傅", "note": "…"}`, or arrive, finish, reject,
cancel. `GET /_tickets` shows everything at once and asks for no token; `PUT /_script` takes failures
(simulators/failures.py) for `create`, `search`, `detail`, `remark`, `cancel`, `login`.
"""

from simulators.erp.service import Erp, serving
from simulators.erp.tickets import Habits

__all__ = ["Erp", "Habits", "serving"]
