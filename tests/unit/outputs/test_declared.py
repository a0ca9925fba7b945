"""A service told in YAML, over real sockets: what is sent, and what its answers mean."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from daemon.clock import SiteClock
from daemon.model import OrderStatus, Reject, Retry, from_ms
from daemon.outputs.sink import Capability, OnAmbiguous
from daemon.outputs.ticketing.marker import code, marker
from daemon.store.outbox import Followed
from tests.ticket_peer import BODY, KEY, NOTE, SITE, Answer, Asked, Peer, peer, said

T0 = from_ms(1_795_300_000_000)
IN_BODY = {
    "code": "code",
    "success": [0, 200],
    "duplicate": [1002],
    "transient": [1999],
    "permanent": [1003],
    "otherwise": "permanent",
    "message": "msg",
}
SEARCH = {
    "method": "GET",
    "path": "/search",
    "query": {"q": "{code}"},
    "list": "data.records",
    "ref": "workNo",
    "match": "title",
    "contains": "{marker}",
}
STATUSES = {"values": {"1": "sent", "2": "accepted", "3": "done"}, "default": "ignore"}


@pytest.fixture
async def service() -> AsyncIterator[Peer]:
    async with peer() as made:
        yield made


def create(**more: Any) -> dict[str, Any]:  # noqa: ANN401  YAML
    return {"method": "POST", "path": "/create", "json": {"key": "{key}"}, "ref": {"path": "id"}, **more}


# --- what is sent ------------------------------------------------------------------------------------------


async def test_a_create_goes_out_as_it_is_told(service: Peer) -> None:
    """Method, path, query, headers and body from the order; the reference from where it is said to be."""
    service.usual = lambda _: said(201, {"data": {"id": 41}})
    asked = create(
        path="/api/{site}/orders",
        query={"lang": "{title.zh}"},
        headers={"Idempotency-Key": "{key}"},
        json={"title": "{title.zh} {marker}", "level": "{level|map:urgency}", "n": "{households}", "fixed": [1, None]},
        ref={"path": "data.id"},
    )
    maps = {"urgency": {"values": {"I": "041001"}, "default": "041003"}}
    async with service.sink(requests={"create": asked}, maps=maps) as sink:
        ref = await sink.create(KEY, BODY)

    (heard,) = service.asked
    assert ref == "41"
    assert (heard.method, heard.path, heard.query) == ("POST", "/api/hy/orders", {"lang": "电梯困人"})
    assert heard.headers["Idempotency-Key"] == KEY
    assert heard.headers["Content-Type"] == "application/json"
    assert heard.json == {"title": f"电梯困人 {marker(KEY)}", "level": "041001", "n": 96, "fixed": [1, None]}


async def test_a_form_goes_out_as_a_form(service: Peer) -> None:
    """For services that take no JSON."""
    async with service.sink(
        requests={"create": {**create(form={"title": "{title.zh} & 1+1", "key": "{key}"}), "json": None}}
    ) as sink:
        await sink.create(KEY, BODY)

    (heard,) = service.asked
    assert heard.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert heard.body.decode().startswith("title=%E7%94%B5%E6%A2%AF%E5%9B%B0%E4%BA%BA+%26+1%2B1&key=hy")


@pytest.mark.parametrize(
    ("auth", "header", "query"),
    [
        ({"bearer": {"token": "s3cret"}}, ("Authorization", "Bearer s3cret"), {}),
        ({"basic": {"username": "gw", "password": "s3cret"}}, ("Authorization", "Basic Z3c6czNjcmV0"), {}),
        ({"header": {"name": "X-Access-Token", "token": "s3cret"}}, ("X-Access-Token", "s3cret"), {}),
        ({"query": {"name": "key", "token": "s3cret"}}, ("Accept", "application/json"), {"key": "s3cret"}),
    ],
)
async def test_we_say_who_we_are(
    service: Peer, auth: dict[str, Any], header: tuple[str, str], query: dict[str, str]
) -> None:
    """In one of four ways, with every request."""
    async with service.sink(auth=auth) as sink:
        await sink.create(KEY, BODY)
        await sink.note("7", f"{KEY}#1", orjson.dumps(NOTE))

    for heard in service.asked:
        assert heard.headers[header[0]] == header[1]
        assert heard.query == query


async def test_what_prepares_a_request_goes_first(service: Peer) -> None:
    """Values of its answer go into what follows."""
    service.script = [said(200, {"data": {"msg": 5}}), said(200, {"id": 9})]
    first = {"method": "POST", "path": "/texts", "json": {"t": "{cause.zh}"}, "keep": {"msg": "data.msg"}}
    async with service.sink(
        requests={"create": create(before=[first], json={"messages": ["{kept.msg}"], "key": "{key}"})}
    ) as sink:
        await sink.create(KEY, BODY)

    assert [heard.path for heard in service.asked] == ["/texts", "/create"]
    assert service.asked[1].json == {"messages": [5], "key": KEY}


async def test_a_value_in_a_path_leads_nowhere_else(service: Peer) -> None:
    """A reference with slashes or dots is one segment."""
    async with service.sink() as sink:
        await sink.note("../../admin?x=1", f"{KEY}#1", orjson.dumps(NOTE))
        await sink.note("..", f"{KEY}#1", orjson.dumps(NOTE))

    assert [heard.path for heard in service.asked] == ["/tickets/../../admin?x=1/notes", "/tickets/../notes"]
    assert [heard.query for heard in service.asked] == [{}, {}]


async def test_a_header_holds_no_line_break(service: Peer) -> None:
    """What a person wrote cannot become a header of its own."""
    body = orjson.dumps({**orjson.loads(BODY), "building": "B1\r\nX-Evil: 1"})
    async with service.sink(requests={"create": create(headers={"X-Building": "{building}", "K": "{key}"})}) as sink:
        await sink.create(KEY, body)

    assert "X-Evil" not in service.asked[0].headers


async def test_each_kind_of_note_has_its_own_request_or_the_common_one(service: Peer) -> None:
    """A reopening may set a state where an update only writes."""
    own = {"method": "PUT", "path": "/tickets/{ref}", "json": {"state": "open", "key": "{key}", "rule": "{rule}"}}
    async with service.sink(requests={"reopen": own}) as sink:
        await sink.note("7", f"{KEY}#1", orjson.dumps(NOTE))
        await sink.note("7", f"{KEY}#2", orjson.dumps({**NOTE, "kind": "reopen"}))

    assert [(heard.method, heard.path) for heard in service.asked] == [
        ("POST", "/tickets/7/notes"),
        ("PUT", "/tickets/7"),
    ]
    assert service.asked[1].json == {"state": "open", "key": KEY, "rule": "lift-entrapment"}


async def test_a_chart_goes_its_own_way_or_as_words_or_not_at_all(service: Peer) -> None:
    """A service that pages people must not page them for a picture."""
    drawn = orjson.dumps({**NOTE, "chart": {"data": "<svg/>", "alt": NOTE["text"], "occasion": "o", "media_type": "m"}})
    upload = {"method": "POST", "path": "/files", "json": {"svg": "{chart.data}"}}
    apart = {kind: {"method": "POST", "path": "/page"} for kind in ("update", "recovery", "reopen", "verified")}
    for requests in ({"chart": upload}, {}, {**apart, "note": None}):
        async with service.sink(requests=requests) as sink:
            await sink.note("7", f"{KEY}#1", drawn)

    assert [(heard.path, heard.json) for heard in service.asked] == [
        ("/files", {"svg": "<svg/>"}),
        ("/tickets/7/notes", {"text": "加重"}),
    ]


# --- the reference -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "answer", "ref"),
    [
        ({"path": "id"}, said(201, {"id": "T-1"}), "T-1"),
        ({"header": "Location"}, said(201, None, Location="/api/tickets/41"), "/api/tickets/41"),
        ({"header": "Location", "after": "/"}, said(201, None, Location="/api/tickets/41"), "41"),
        ({"absent": "key"}, said(200, {"code": 0}), KEY),
        ({"absent": "marker"}, said(200, {"code": 0}), marker(KEY)),
        ({"path": "id", "absent": "code"}, said(200, {"id": None}), code(KEY)),
    ],
)
async def test_a_ticket_has_a_reference(service: Peer, where: dict[str, str], answer: Answer, ref: str) -> None:
    """In the body, in a header, or what stands for it."""
    service.usual = lambda _: answer
    async with service.sink(requests={"create": create(ref=where)}) as sink:
        assert await sink.create(KEY, BODY) == ref


async def test_an_answer_without_the_reference_leaves_a_doubt(service: Peer) -> None:
    """The ticket may be there: asked again, and told what to look at."""
    service.usual = lambda _: said(200, {"ok": True})
    async with service.sink() as sink:
        with pytest.raises(Retry, match="without the ticket's reference") as caught:
            await sink.create(KEY, BODY)

    assert caught.value.ambiguous


# --- what answers mean -------------------------------------------------------------------------------------


@pytest.mark.parametrize("zero", [0, "0", 0.0, 200, "200"], ids=repr)
async def test_success_stands_in_the_body(service: Peer, zero: object) -> None:
    """0 and "0" are one code."""
    service.usual = lambda _: said(200, {"code": zero, "id": "T"})
    async with service.sink(answers=IN_BODY) as sink:
        assert await sink.create(KEY, BODY) == "T"


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (said(200, {"code": 1003, "msg": "编码不存在"}), Reject, "refused (200, code 1003): 编码不存在"),
        (said(200, {"code": "9", "msg": "?"}), Reject, "refused (200, code 9): ?"),
        (said(200, {"code": 1999, "msg": "忙"}), Retry, "not now (200, code 1999): 忙"),
        (said(400, {"code": 1999, "msg": "忙"}), Retry, "not now (400, code 1999): 忙"),
        (said(503, {"code": 77}), Retry, "the service is unavailable (503)"),
        (said(503, {"code": 0}), Retry, "the service is unavailable (503)"),
        (said(200, {"ok": 1}), Retry, "POST /create answers without code"),
        (said(200, b"<html>"), Retry, "POST /create answers without code"),
        (said(412, b"etag"), Retry, "not now (412): etag"),
        (said(422, b"no"), Reject, "refused (422): no"),
        (said(401), Retry, "we are refused (401); set a valid secret under auth"),
        (said(404), Retry, "POST /create answered 404; check url and path"),
        (said(302, None, Location="/login"), Retry, "answered 302 to /login, which is not followed"),
        (said(429, None, Retry_After="7"), Retry, "the service is throttled (429)"),
    ],
)
async def test_a_refusal_is_what_it_says(service: Peer, answer: Answer, error: type[Exception], words: str) -> None:
    """By its code first, then by its status; what is not told is looked at by a person."""
    service.usual = lambda _: answer
    async with service.sink(answers=IN_BODY) as sink:
        with pytest.raises(error) as caught:
            await sink.create(KEY, BODY)

    assert words in str(caught.value)


async def test_a_note_on_no_ticket_is_never_taken(service: Peer) -> None:
    """Somebody deleted it."""
    service.usual = lambda _: said(404, b"gone")
    async with service.sink() as sink:
        with pytest.raises(Reject, match="refused \\(404\\): gone"):
            await sink.note("7", f"{KEY}#1", orjson.dumps(NOTE))


async def test_what_it_has_already_is_taken(service: Peer) -> None:
    """Its reference is in the answer, or is searched for."""
    service.script = [
        said(200, {"code": 1002, "id": "T1"}),
        said(200, {"code": 1002}),
        said(200, {"code": 0, "data": {"records": [{"workNo": "T2", "title": f"x {marker(KEY)}"}]}}),
    ]
    async with service.sink(answers=IN_BODY, capability="search", requests={"search": SEARCH}) as sink:
        assert await sink.create(KEY, BODY) == "T1"
        assert await sink.create(KEY, BODY) == "T2"


async def test_a_failure_before_the_create_itself_leaves_no_doubt(service: Peer) -> None:
    """What prepares it makes no ticket."""
    service.script = [said(503)]
    first = {"method": "POST", "path": "/texts", "keep": {"msg": "id"}}
    async with service.sink(requests={"create": create(before=[first])}) as sink:
        with pytest.raises(Retry) as prepared:
            await sink.create(KEY, BODY)
        service.script = [said(200, {"id": 1}), said(503)]
        with pytest.raises(Retry) as made:
            await sink.create(KEY, BODY)

    assert not prepared.value.ambiguous
    assert made.value.ambiguous


async def test_an_answer_in_gbk_is_read(service: Peer) -> None:
    """As older systems here still write."""
    raw = '{"code": 1003, "msg": "楼栋编码不存在"}'.encode("gbk")
    service.usual = lambda _: said(200, raw, Content_Type="application/json;charset=GBK")
    async with service.sink(answers=IN_BODY) as sink:
        with pytest.raises(Reject, match="楼栋编码不存在"):
            await sink.create(KEY, BODY)


async def test_an_endless_answer_is_cut_off(service: Peer) -> None:
    """A broken peer does not fill the memory."""
    service.usual = lambda _: said(200, b"[" + b"1," * 5000)
    async with service.sink(most_bytes="1KiB") as sink:
        with pytest.raises(Retry, match="its answer is longer than 1024 bytes"):
            await sink.create(KEY, BODY)


async def test_no_secret_is_told_on(service: Peer) -> None:
    """A service that repeats what it was sent does not get it into our log."""
    service.usual = lambda heard: said(400, heard.headers["Authorization"].encode() + b" " + heard.body)
    asked = create(json={"routing": "{secret.route}", "key": "{key}"})
    auth = {"basic": {"username": "gw", "password": "pass w0rd"}}
    async with service.sink(requests={"create": asked}, auth=auth, secrets={"route": "r0ute"}) as sink:
        with pytest.raises(Reject) as caught:
            await sink.create(KEY, BODY)

    assert "refused (400): Basic ***" in str(caught.value)
    assert "r0ute" not in str(caught.value)


@pytest.mark.parametrize("before", [0, 280, 296, 4000])
async def test_no_half_of_a_secret_is_told_on(service: Peer, before: int) -> None:
    """What is said is masked before it is cut; a service that escapes slashes repeats it all the same."""
    secret = "abcdefgh/ijklmnop"  # noqa: S105  nobody's
    service.usual = lambda heard: said(
        400, b"." * before + heard.headers["Authorization"].removeprefix("Bearer ").replace("/", "\\/").encode()
    )
    async with service.sink(auth={"bearer": {"token": secret}}) as sink:
        with pytest.raises(Reject) as caught:
            await sink.create(KEY, BODY)

    assert "abcd" not in str(caught.value)


@pytest.mark.parametrize("status", [203, 207])
async def test_a_success_that_was_not_told_leaves_a_doubt(service: Peer, status: int) -> None:
    """It may have made a ticket: to ask again each minute as if it had not would make one each minute."""
    service.usual = lambda _: said(status, {"id": 1})
    async with service.sink() as sink:
        with pytest.raises(Retry) as caught:
            await sink.create(KEY, BODY)

    assert caught.value.ambiguous


# --- a login -----------------------------------------------------------------------------------------------


async def test_a_login_is_asked_for_once_and_again_when_it_has_expired(service: Peer) -> None:
    """The request that met the end of it is sent once more; a second refusal is one."""
    tokens = iter(("t1", "t2", "t3"))

    def answer(heard: Asked) -> Answer:
        if heard.path == "/login":
            return said(200, {"code": 0, "data": {"token": next(tokens)}})
        good = heard.headers["X-Token"] in current
        return said(200, {"code": 0, "id": 1} if good else {"code": 1401, "msg": heard.headers["X-Token"]})

    service.usual = answer
    login = {"method": "POST", "path": "/login", "json": {"p": "{secret.p}"}, "keep": {"token": "data.token"}}
    answers = IN_BODY | {"expired": [1401], "transient": [1401]}
    current = {"t1"}
    async with service.sink(
        login=login,
        headers={"X-Token": "{login.token}"},
        answers=answers,
        secrets={"p": "x"},
        requests={"create": create()},
    ) as sink:
        await sink.create(KEY, BODY)
        await sink.create(KEY, BODY)
        current = {"t2"}
        await sink.create(KEY, BODY)
        current = set()
        with pytest.raises(Retry, match=r"not now \(200, code 1401\): \*\*\*"):
            await sink.create(KEY, BODY)

    paths = [heard.path.removeprefix("/")[0] for heard in service.asked]
    assert "".join(paths) == "lcc" + "clc" + "clc"
    assert "X-Token" not in service.asked[0].headers


async def test_a_refused_login_parks_no_order(service: Peer) -> None:
    """It says nothing of the order: somebody changed the password, and every order waits until that is mended."""
    service.usual = lambda _: said(200, {"code": 1003, "msg": "密码错误"})
    login = {"method": "POST", "path": "/login", "json": {"p": "{secret.p}"}, "keep": {"token": "data.token"}}
    async with service.sink(login=login, answers=IN_BODY, secrets={"p": "x"}) as sink:
        with pytest.raises(Retry, match="密码错误; the login is refused, set valid secrets for it") as caught:
            await sink.create(KEY, BODY)

    assert not caught.value.ambiguous
    assert caught.value.after is not None


# --- looking for a ticket ----------------------------------------------------------------------------------


async def test_a_ticket_is_found_by_its_marker(service: Peer) -> None:
    """Searches are vague: only an entry that bears the marker counts, whatever its state."""
    service.usual = lambda _: said(
        200,
        {"data": {"records": [{"workNo": "A", "title": "like it"}, {"workNo": 12, "title": f"closed {marker(KEY)}"}]}},
    )
    async with service.sink(capability="search", requests={"search": SEARCH}) as sink:
        found = await sink.find(KEY)
        stranger = await sink.find(KEY + "1")

    assert (found, stranger) == ("12", None)
    assert service.asked[0].query == {"q": code(KEY)}


async def test_the_ticket_of_order_70_is_not_that_of_order_7(service: Peer) -> None:
    """A key ends in a number, and may stand in a longer one."""
    records = [{"workNo": "A", "title": f"({KEY}0)"}, {"workNo": "B", "title": f"x{KEY}"}]
    service.usual = lambda _: said(200, {"data": {"records": records}})
    search = SEARCH | {"contains": "{key}"}
    async with service.sink(capability="search", requests={"search": search}) as sink:
        assert await sink.find(KEY) is None
        records += [{"workNo": "C", "title": f"编号{KEY}，"}]
        assert await sink.find_all(KEY) == ("C",)


async def test_a_marker_is_found_whatever_stands_around_it(service: Peer) -> None:
    """It has its own ends."""
    service.usual = lambda _: said(200, {"data": {"records": [{"workNo": "A", "title": f"lift1{marker(KEY)}x"}]}})
    async with service.sink(capability="search", requests={"search": SEARCH}) as sink:
        assert await sink.find(KEY) == "A"


async def test_what_a_long_list_cuts_off_is_not_passed_over(service: Peer) -> None:
    """The newest first, and more pages than may be read: the older ones are still to come once more may be."""

    def answer(heard: Asked) -> Answer:
        page = int(heard.query["p"])
        entries = [{"ref": f"T{page}", "status": "2", "at": f"2026-11-22T0{9 - page}:00:00Z"}] if page < 4 else []
        return said(200, {"list": entries})

    service.usual = answer
    changes: dict[str, Any] = {
        "method": "GET", "path": "/changes", "query": {"p": "{page}"}, "list": "list", "ref": "ref",
        "entry": {"status": "status", "changed_at": "at"}, "most_pages": 2,
    }  # fmt: skip
    followed = [Followed(f"T{n}", f"k{n}", T0) for n in (1, 2, 3)]
    async with service.sink(requests={"changes": changes}, statuses=STATUSES) as sink:
        with capture_logs() as logs:
            first = await sink.changes("", followed)
    async with service.sink(requests={"changes": changes | {"most_pages": 9}}, statuses=STATUSES) as sink:
        second = await sink.changes(first.cursor, followed)

    assert [change.key for change in first.changes] == ["k2", "k1"]
    assert orjson.loads(first.cursor)["since"] is None
    assert [entry["event"] for entry in logs] == ["ticket_changes_cut_off"]
    assert [change.key for change in second.changes] == ["k3"]
    assert orjson.loads(second.cursor)["since"].startswith("2026-11-22T08:00")


DEEP = b"[" * 900 + b"]" * 900


async def test_an_answer_nested_without_end_does_not_end_us(service: Peer) -> None:
    """Neither where a moment is read, nor where two pages are compared, nor where a value is sent on."""
    entry = b'{"ref": "T1", "status": "2", "at": %s}' % DEEP
    service.usual = lambda _: said(200, b'{"list": [%s], "id": %s}' % (entry, DEEP))
    changes = {
        "method": "GET", "path": "/changes", "query": {"p": "{page}"}, "list": "list", "ref": "ref",
        "entry": {"status": "status", "changed_at": "at"},
    }  # fmt: skip
    async with service.sink(requests={"changes": changes}, statuses=STATUSES) as sink:
        with pytest.raises(Retry):
            await sink.changes("", [Followed("T1", KEY, T0)])
        with pytest.raises(Retry):
            await sink.create(KEY, BODY)


async def test_a_state_is_as_old_as_the_question(service: Peer) -> None:
    """Where the service tells no moment: what the webhook says while it answers is newer."""
    heard_at = []

    def answer(_: Asked) -> Answer:
        heard_at.append(SiteClock().now())
        time.sleep(0.005)  # the clock goes on
        return said(200, {"status": "2"})

    service.usual = answer
    ticket = {"method": "GET", "path": "/tickets/{ref}", "entry": {"status": "status"}}
    async with service.sink(requests={"ticket": ticket}, statuses=STATUSES) as sink:
        page = await sink.changes("", [Followed("T1", KEY, T0)])

    assert page.changes[0].changed_at <= heard_at[0]


@pytest.mark.parametrize("body", [{"data": None}, {"data": {"records": None}}, {"data": {"records": []}}, None])
async def test_nothing_found_is_nothing_found(service: Peer, body: object) -> None:
    """However the service writes it."""
    service.usual = lambda _: said(200, body)
    async with service.sink(capability="search", requests={"search": SEARCH}) as sink:
        assert await sink.find(KEY) is None


@pytest.mark.parametrize("body", [b"<html>login</html>", {"error": 1}, {"data": {"records": {"a": 1}}}, [1]])
async def test_no_list_is_no_word_that_nothing_is_there(service: Peer, body: object) -> None:
    """A login page must not lead to a second ticket."""
    service.usual = lambda _: said(200, body)
    async with service.sink(capability="search", requests={"search": SEARCH}) as sink:
        with pytest.raises(Retry, match="without a list"):
            await sink.find(KEY)


@pytest.mark.parametrize("entry", [{"workNo": "A", "name": "x"}, {"id": "A", "title": "x"}, 7])
async def test_entries_without_what_is_looked_at_are_no_word_either(service: Peer, entry: object) -> None:
    """A slip in `match` or `ref` would make a second ticket after each doubt."""
    service.usual = lambda _: said(200, {"data": {"records": [entry]}})
    async with service.sink(capability="search", requests={"search": SEARCH}) as sink:
        with pytest.raises(Retry, match="answers entries without"):
            await sink.find(KEY)


async def test_a_search_goes_through_its_pages(service: Peer) -> None:
    """With `{page}` in it: until one is empty."""
    pages = {"1": [{"workNo": "A", "title": ""}], "2": [{"workNo": "B", "title": marker(KEY)}]}
    service.usual = lambda heard: said(200, {"data": {"records": pages.get(heard.query["p"], [])}})
    search = SEARCH | {"query": {"p": "{page}"}}
    async with service.sink(capability="search", requests={"search": search}) as sink:
        assert await sink.find(KEY) == "B"
        assert await sink.find(KEY + "1") is None

    assert [heard.query["p"] for heard in service.asked] == ["1", "2", "1", "2", "3"]


async def test_pages_that_repeat_themselves_end(service: Peer) -> None:
    """A service that does not look at the number would be asked for ever."""
    service.usual = lambda _: said(200, {"data": {"records": [{"workNo": "A", "title": ""}]}})
    search = SEARCH | {"query": {"p": "{page}"}}
    async with service.sink(capability="search", requests={"search": search}) as sink:
        assert await sink.find(KEY) is None

    assert len(service.asked) == 2


# --- what persons did --------------------------------------------------------------------------------------

CHANGES = {
    "method": "GET",
    "path": "/changes",
    "query": {"from": "{since|time:%Y-%m-%d %H:%M:%S}"},
    "list": "rows",
    "ref": "id",
    "entry": {
        "status": "state",
        "changed_at": "at",
        "time": "%Y-%m-%d %H:%M:%S",
        "by": "who.name",
        "note": "said",
        "team": "who.team",
    },
}


def row(ref: str, state: object, at: str = "2026-11-22 12:00:00", who: str = "张师傅") -> dict[str, Any]:
    return {"id": ref, "state": state, "at": at, "who": {"name": who, "team": "电梯班"}, "said": "ok"}


def followed(*refs: str) -> list[Followed]:
    return [Followed(ref, f"hy|a|r|led|{ref}", T0) for ref in refs]


async def test_what_changed_is_told_once(service: Peer) -> None:
    """A state as it is now against what it was; the cursor remembers, so a restart tells nothing again."""
    service.usual = lambda _: said(200, {"rows": [row("1", 2), row("2", 1), row("9", 3)]})
    async with service.sink(requests={"changes": CHANGES}, statuses=STATUSES) as sink:
        first = await sink.changes("", followed("1", "2"))
    async with service.sink(requests={"changes": CHANGES}, statuses=STATUSES) as sink:
        again = await sink.changes(first.cursor, followed("1", "2"))
        service.usual = lambda _: said(200, {"rows": [row("1", "3", "2026-11-22 12:30:00")]})
        later = await sink.changes(again.cursor, followed("1", "2"))

    (change,) = first.changes
    assert (change.key, change.status, change.by, change.note) == ("hy|a|r|led|1", OrderStatus.ACCEPTED, "张师傅", "ok")
    assert change.changed_at.isoformat() == "2026-11-22T04:00:00+00:00"
    assert change.team == "电梯班"
    assert again.changes == ()
    assert again.cursor == first.cursor
    assert [(c.key, c.status) for c in later.changes] == [("hy|a|r|led|1", OrderStatus.DONE)]


async def test_changes_are_asked_for_from_the_last_one_with_some_overlap(service: Peer) -> None:
    """From the oldest order at first; what a crash between create and receipt hid comes up again."""
    service.usual = lambda _: said(200, {"rows": [row("1", 2, "2026-11-22 12:00:00")]})
    async with service.sink(requests={"changes": CHANGES}, statuses=STATUSES) as sink:
        first = await sink.changes("", followed("1"))
        await sink.changes(first.cursor, followed("1"))

    assert [heard.query["from"] for heard in service.asked] == ["2026-11-22 06:16:40", "2026-11-22 11:50:00"]


async def test_a_clock_far_ahead_moves_no_cursor(service: Peer) -> None:
    """One wrong date would hide everything after it."""
    service.usual = lambda _: said(200, {"rows": [row("1", 2, "2999-01-01 00:00:00"), row("2", 2, "rubbish")]})
    async with service.sink(requests={"changes": CHANGES}, statuses=STATUSES) as sink:
        first = await sink.changes("", followed("1", "2"))
        await sink.changes(first.cursor, followed("1", "2"))

    assert len(first.changes) == 2
    assert service.asked[1].query["from"] == "2026-11-22 06:16:40"


async def test_without_an_order_in_hand_nothing_is_asked(service: Peer) -> None:
    """A quiet site leaves the service alone."""
    async with service.sink(requests={"changes": CHANGES}, statuses=STATUSES) as sink:
        page = await sink.changes("c", ())

    assert (page.cursor, page.changes, service.asked) == ("c", (), [])


async def test_a_state_that_is_not_told_is_told_once(service: Peer) -> None:
    """And passed over, or taken as what the map says for the rest."""
    service.usual = lambda _: said(200, {"rows": [row("1", "挂起")]})
    async with service.sink(requests={"changes": CHANGES}, statuses=STATUSES) as sink:
        with capture_logs() as logs:
            first = await sink.changes("", followed("1"))
            await sink.changes(first.cursor, followed("1"))
    async with service.sink(requests={"changes": CHANGES}, statuses=STATUSES | {"default": "accepted"}) as sink:
        taken = await sink.changes("", followed("1"))

    assert first.changes == ()
    assert [entry["event"] for entry in logs] == ["ticket_status_unknown"]
    assert [change.status for change in taken.changes] == [OrderStatus.ACCEPTED]


async def test_tickets_are_asked_about_one_by_one_in_turn(service: Peer) -> None:
    """A batch in each round, so that a hundred orders are no hundred requests at once."""
    service.usual = lambda _: said(200, {"state": "2", "at": "2026-11-22T12:00:00+08:00"})
    asked = {"method": "GET", "path": "/t/{ref}", "entry": {"status": "state", "changed_at": "at"}, "batch": 2}
    async with service.sink(requests={"ticket": asked}, statuses=STATUSES) as sink:
        first = await sink.changes("", followed("1", "2", "3"))
        second = await sink.changes(first.cursor, followed("1", "2", "3"))

    assert [heard.path for heard in service.asked] == ["/t/1", "/t/2", "/t/3", "/t/1"]
    assert [change.key[-1] for change in first.changes] == ["1", "2"]
    assert [change.key[-1] for change in second.changes] == ["3"]


async def test_one_bad_ticket_hides_no_other(service: Peer) -> None:
    """What was learnt before it is told; the next round goes on behind it."""
    service.usual = lambda heard: said(404) if heard.path == "/t/2" else said(200, {"state": "2"})
    asked = {"method": "GET", "path": "/t/{ref}", "entry": {"status": "state"}}
    async with service.sink(requests={"ticket": asked}, statuses=STATUSES) as sink:
        first = await sink.changes("", followed("1", "2", "3"))
        second = await sink.changes(first.cursor, followed("1", "2", "3"))

    assert [change.key[-1] for change in first.changes] == ["1"]
    assert [change.key[-1] for change in second.changes] == ["3"]


@pytest.mark.parametrize(
    ("where", "body"),
    [("", row("1", 2)), ("", [row("1", 2), row("9", 3)]), ("data.rows", {"data": {"rows": [row("1", "2")]}})],
    ids=["one", "some", "inside"],
)
async def test_a_webhook_reads_as_it_is_told(service: Peer, where: str, body: object) -> None:
    """One entry, or a list of them; of tickets that are followed."""
    told = {"list": where, "ref": "id", "entry": CHANGES["entry"]}
    async with service.sink(told=told, statuses=STATUSES) as sink:
        (change,) = sink.told(orjson.dumps(body), followed("1", "2"))

    assert (change.key, change.status, change.by) == ("hy|a|r|led|1", OrderStatus.ACCEPTED, "张师傅")


@pytest.mark.parametrize("body", [b"", b"<x>", b"7", b'{"a": {}}'])
async def test_a_webhook_that_reads_otherwise_is_refused(service: Peer, body: bytes) -> None:
    """With words for whoever set it up."""
    told = {"list": "a.b", "ref": "id", "entry": CHANGES["entry"]}
    async with service.sink(told=told, statuses=STATUSES) as sink:
        with pytest.raises(ValueError, match=r"there is no entry at 'a\.b'"):
            sink.told(body, followed("1"))


async def test_open_tickets_are_listed_with_key_or_marker(service: Peer) -> None:
    """A person's own ticket among them bears neither, and is nobody's of ours."""
    rows = [{"id": 1, "t": f"x {marker(KEY)}", "l": "H"}, {"id": 2, "t": KEY}, {"id": 3, "t": "灯坏了"}]
    service.usual = lambda _: said(200, rows)
    asked = {
        "method": "GET", "path": "/open", "list": "", "ref": "id", "match": "t", "level_at": "l", "level": {"H": "I"},
    }  # fmt: skip
    async with service.sink(requests={"open": asked}) as sink:
        found = await sink.open_tickets()
    async with service.sink() as sink:
        with pytest.raises(Reject, match="no request for open tickets"):
            await sink.open_tickets()

    assert [(t.ref, t.key, t.level) for t in found] == [("1", marker(KEY), "I"), ("2", KEY, ""), ("3", "灯坏了", "")]


async def test_what_it_promises_is_told(service: Peer) -> None:
    """For the dispatcher."""
    async with service.sink(capability="neither", on_ambiguous="park", settle="9s") as sink:
        assert sink.capability is Capability.NEITHER
        assert sink.ambiguity.ordinary is OnAmbiguous.PARK
        assert sink.ambiguity.safety is OnAmbiguous.REPEAT
        assert sink.ambiguity.settle == timedelta(seconds=9)
        assert SITE.id == "hy"
