"""The scenarios: what happens on the site, hour by hour. What must come of each stands in `timelines/`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.crash.children import ROOT
from tests.crash.house import STORM_ASSETS, STORM_RULES, House
from tests.crash.stage import Stage, batched

_PAGE = ROOT / "docs" / "ticketing.md"


@dataclass(frozen=True, slots=True)
class Play:
    """One scenario."""

    name: str
    title: str
    perform: Callable[[Stage], Awaitable[None]]

    @property
    def is_large(self) -> bool:
        """Whether its account is written down by counts."""
        return self.name == "thousand-alarms"

    @property
    def is_killed(self) -> bool:
        """Whether a kill may change nothing.

        A service without keys is searched first, some seconds later, and told that a note may be there twice: kills at
        each of those steps are in tests/scenarios/test_asking_crash.py.
        """
        return self.name != "refused-with-status-200"


PLAYS: dict[str, Play] = {}


def _play(perform: Callable[[Stage], Awaitable[None]]) -> Callable[[Stage], Awaitable[None]]:
    name = perform.__name__.replace("_", "-")
    PLAYS[name] = Play(name, (perform.__doc__ or "").strip(), perform)
    return perform


@_play
async def accepted_in_time(stage: Stage) -> None:
    """Accepted, arrived, done within what was promised; it stays clear, and the sensor verifies it."""
    await stage.open()
    await stage.say("L1", chain="closed")
    await stage.pass_to("0:01")
    await stage.say("L1", chain="open")
    await stage.pass_to("0:08")
    await stage.act("L1", "chain", "accept")
    await stage.pass_to("0:16")  # when it would have been overdue
    await stage.pass_to("0:30")
    await stage.act("L1", "chain", "arrive")
    await stage.pass_to("0:40")
    await stage.say("L1", chain="closed")
    await stage.pass_to("0:45")
    await stage.act("L1", "chain", "finish")
    await stage.pass_to("1:00")


@_play
async def nobody_answers(stage: Stage) -> None:
    """Nobody takes it: warned, overdue, headquarters told, then told again; each step once."""
    await stage.open()
    await stage.say("L1", chain="closed")
    await stage.pass_to("0:01")
    await stage.say("L1", chain="open")
    for clock in ("0:11", "0:16", "0:31", "1:00"):
        await stage.pass_to(clock)


@_play
async def done_and_still_low(stage: Stage) -> None:
    """Called done while the pressure is still low: reopened a level up, done again, verified."""
    await stage.open()
    await stage.say("Z1", pressure=0.30)
    await stage.pass_to("0:01")
    await stage.say("Z1", pressure=0.05)
    await stage.pass_to("0:30")
    await stage.act("Z1", "low", "accept")
    await stage.pass_to("1:00")
    await stage.act("Z1", "low", "finish")
    await stage.pass_to("1:10")  # ten minutes are given
    await stage.pass_to("1:20")
    await stage.act("Z1", "low", "accept", "wang")
    await stage.pass_to("1:30")
    await stage.say("Z1", pressure=0.30)
    await stage.act("Z1", "low", "finish", "wang")
    await stage.pass_to("1:45")


@_play
async def back_while_it_is_checked(stage: Stage) -> None:
    """Called done while it is clear, and back within the time to stay clear: reopened; the second repair holds."""
    await stage.open()
    await stage.say("Z1", pressure=0.30)
    await stage.pass_to("0:01")
    await stage.say("Z1", pressure=0.05)
    await stage.pass_to("0:10")
    await stage.act("Z1", "low", "accept")
    await stage.pass_to("0:20")
    await stage.say("Z1", pressure=0.30)
    await stage.pass_to("0:30")
    await stage.act("Z1", "low", "finish")
    await stage.pass_to("0:44")
    await stage.say("Z1", pressure=0.05)  # a minute before it would have been verified
    await stage.pass_to("0:50")
    await stage.act("Z1", "low", "accept", "wang")
    await stage.say("Z1", pressure=0.30)
    await stage.act("Z1", "low", "finish", "wang")
    await stage.pass_to("1:05")


@_play
async def recovers_by_itself(stage: Stage) -> None:
    """Over before anybody came: said on the order, which stays open, and its deadlines go on."""
    await stage.open()
    await stage.say("L1", room_temp=25)
    await stage.pass_to("0:01")
    await stage.say("L1", room_temp=50)
    await stage.pass_to("0:06")
    await stage.say("L1", room_temp=30)
    await stage.pass_to("0:11")
    await stage.pass_to("0:16")
    await stage.pass_to("0:25")
    await stage.act("L1", "hot", "accept")
    await stage.act("L1", "hot", "finish")
    await stage.pass_to("0:40")


@_play
async def false_alarm(stage: Stage) -> None:
    """A person finds nothing wrong: rejected, nothing more is due, and the next alarm has an order of its own."""
    await stage.open()
    await stage.say("M1", leak="dry")
    await stage.pass_to("0:01")
    await stage.say("M1", leak="wet")
    await stage.pass_to("0:05")
    await stage.act("M1", "leak", "reject", "zhao")
    await stage.pass_to("0:30")
    await stage.say("M1", leak="dry")
    await stage.pass_to("2:00")
    await stage.say("M1", leak="wet")
    await stage.pass_to("2:11")


@_play
async def two_hours_without_the_service(stage: Stage) -> None:
    """The service is away for two hours: deadlines pass and people are told; then each ticket is there once."""
    gateway = await stage.open()
    await stage.say("L1", chain="closed")
    await stage.say("Z1", pressure=0.30)
    await stage.pass_to("0:01")
    await stage.cut_off(gateway)
    await stage.say("L1", chain="open")
    await stage.say("Z1", pressure=0.05)
    for clock in ("0:11", "0:16", "0:31", "1:31"):
        await stage.pass_to(clock)
    await stage.say("L1", chain="closed")
    await stage.pass_to("2:01")
    await gateway.proxy.heal()
    await stage.pass_to("2:04", mended=gateway)
    await stage.act("L1", "chain", "accept")
    await stage.act("Z1", "low", "accept", "wang")
    await stage.pass_to("2:10")


@_play
async def accepted_behind_its_back(stage: Stage) -> None:
    """Accepted in time while the gateway could not hear of it: warned meanwhile, kept once it is told."""
    gateway = await stage.open()
    await stage.say("L1", chain="closed")
    await stage.pass_to("0:01")
    await stage.say("L1", chain="open")
    await stage.pass_to("0:05")
    await stage.cut_off(gateway)
    await stage.pass_to("0:08")
    await stage.act("L1", "chain", "accept")
    await stage.pass_to("0:11")
    await stage.pass_to("0:16")
    await stage.pass_to("0:20")
    await gateway.proxy.heal()
    await stage.pass_to("0:23", mended=gateway)
    await stage.pass_to("0:38")


@_play
async def answers_are_lost(stage: Stage) -> None:
    """The service made the ticket and wrote the note, and its answers were lost: one ticket, one note."""
    gateway = await stage.open(House(timeout="3s"))
    await stage.say("L1", chain="closed")
    await stage.say("L2", chain="closed")
    await stage.pass_to("0:01")
    gateway.reachable = False  # it will be asked again, once time has passed
    stage.ticketing.script.replace(
        [
            {"match": "create", "kind": "timeout_after_create", "hold": 5},
            {"match": "create", "kind": "reset_after_create"},
            {"match": "note", "kind": "reset_after"},
            {"match": "note", "kind": "status_5xx", "status": 503},
        ]
    )
    await stage.say("L1", chain="open")
    await stage.say("L2", chain="open")
    await stage.pass_to("0:03")
    await stage.pass_to("0:06")
    await stage.say("L1", chain="closed")
    await stage.pass_to("0:08")
    stage.ticketing.script.replace([])  # after a kill some of it may be left
    await stage.pass_to("0:11", mended=gateway)


@_play
async def refused_for_good(stage: Stage) -> None:
    """The service will never take it as it is: parked, told to people, and sent when a person says so."""
    gateway = await stage.open()
    await stage.say("L1", chain="closed")
    await stage.pass_to("0:01")
    stage.ticketing.script.replace([{"match": "create", "kind": "refuse_422", "times": 1_000}])
    await stage.say("L1", chain="open")
    await stage.pass_to("0:11")
    await stage.pass_to("0:16")
    stage.ticketing.script.replace([])
    await stage.pass_to("0:20")
    await gateway.ask("order_retry", order=1, user="zhao")
    await stage.pass_to("0:21")
    await stage.act("L1", "chain", "accept")
    await stage.pass_to("0:31")


@_play
async def refused_with_status_200(stage: Stage) -> None:
    """A property ERP refuses in the body, and tells no number: parked and told; sent later, and found by a search."""
    gateway = await stage.open(House(ticketing=_erp()))
    await stage.say("L1", chain="closed")
    await stage.say("L2", chain="closed")
    await stage.pass_to("0:01")
    refused = {"code": "1003", "msg": "no such building", "data": None}
    stage.erp.script.replace([{"match": "create", "kind": "answer", "body": refused, "times": 1_000}])
    await stage.say("L1", chain="open")
    await stage.pass_to("0:11")
    stage.erp.script.replace([])
    gateway.reachable = False  # the search comes once time has passed
    await gateway.ask("order_retry", order=1, user="zhao")
    await stage.pass_to("0:12")
    stage.erp.script.replace([{"match": "create", "kind": "reset_after_create"}])
    await stage.say("L2", chain="open")
    await stage.pass_to("0:13")
    stage.erp.script.replace([])
    await stage.pass_to("0:15", mended=gateway)
    await stage.say("L2", chain="closed")
    await stage.pass_to("0:16")


def _erp() -> str:
    """`ticketing` as docs/ticketing.md tells it for a property ERP."""
    section = _PAGE.read_text("utf-8").partition("## How to fit a property ERP")[2]
    yaml = section.partition("```yaml\n")[2].partition("```")[0]
    return yaml.replace("127.0.0.1:8090", "127.0.0.1:{port}").replace(
        "${cred:erp_password}", "${file:{folder}/erp-password}"
    )


@_play
async def robots_refuse(stage: Stage) -> None:
    """Group robots throttle, fail, and are wrongly set up: told later where that helps, else given up and counted."""
    gateway = await stage.open()
    await stage.say("L1", chain="closed")
    await stage.pass_to("0:01")
    gateway.heeded = False
    # of the crew's and the office's, whoever comes first: busy, which is ten minutes with DingTalk, and failing
    gateway.robots.script[:] = [(200, '{"errcode": -1, "errmsg": "system busy"}'), (503, "")]
    await stage.say("L1", chain="open")
    await stage.pass_to("0:12", mended=gateway)
    key, gateway.robots.key = gateway.robots.key, "another"
    await stage.pass_to("0:16")
    gateway.robots.key = key
    await stage.pass_to("0:31")


@_play
async def two_sites(stage: Stage) -> None:
    """Two sites with one service: each hears of its own tickets only."""
    await stage.open(House(site="east", assets={"L1": "lift"}), name="east")
    await stage.open(House(site="west", assets={"L2": "lift"}), name="west")
    await stage.say("L1", chain="closed")
    await stage.say("L2", chain="closed")
    await stage.pass_to("0:01")
    await stage.say("L1", chain="open")
    await stage.say("L2", chain="open")
    await stage.pass_to("0:05")
    await stage.act("L2", "chain", "accept", "wang")
    await stage.pass_to("0:11")
    await stage.pass_to("0:16")
    await stage.act("L1", "chain", "reject", "li")
    await stage.pass_to("0:31")


@_play
async def two_gateways_of_one_site(stage: Stage) -> None:
    """Two gateways that watch the same lift, with a ledger each: two tickets, and neither moves by the other's."""
    await stage.open(House(client_id="first"), name="first")
    await stage.open(House(client_id="second"), name="second")
    await stage.say("L1", chain="closed")
    await stage.pass_to("0:01")
    await stage.say("L1", chain="open")
    await stage.pass_to("0:05")
    await stage.act("L1", "chain", "accept", of=stage.gateways[0])
    await stage.pass_to("0:11")
    await stage.pass_to("0:16")
    await stage.act("L1", "chain", "reject", "wang", of=stage.gateways[1])
    await stage.pass_to("0:36")


@_play
async def replaced_gateway(stage: Stage) -> None:
    """A new gateway with an empty disk: neither last year's closed ticket nor an open one keeps an alarm quiet."""
    gateway = await stage.open()
    await stage.say("L1", chain="closed")
    await stage.say("L2", chain="closed")
    await stage.pass_to("0:01")
    await stage.say("L1", chain="open")
    await stage.say("L2", chain="open")
    await stage.pass_to("0:05")
    await stage.act("L1", "chain", "accept")
    await stage.say("L1", chain="closed")
    await stage.act("L1", "chain", "finish")
    for clock in ("0:11", "0:16", "0:20", "0:31", "3:00"):
        await stage.pass_to(clock)
    await gateway.replace()
    await stage.settle()
    await stage.pass_to("3:01")
    await stage.say("L1", chain="open")
    await stage.say("L2", chain="open")
    await stage.pass_to("3:06")
    await stage.act("L1", "chain", "accept", "wang")
    await stage.pass_to("3:12")


@_play
async def third_time_in_a_week(stage: Stage) -> None:
    """The same fault three times in a week: the third brings an order to find the root cause, the fourth none."""
    await stage.open()
    await stage.say("L1", room_temp=25)
    for day in ("0d", "2d", "4d", "6d"):
        await stage.pass_to(f"{day} 0:10")
        await stage.say("L1", room_temp=50)
        await stage.pass_to(f"{day} 0:15")
        await stage.act("L1", "hot", "accept")
        await stage.say("L1", room_temp=25)
        await stage.act("L1", "hot", "finish")
        await stage.pass_to(f"{day} 0:30")


@_play
async def entrapment(stage: Stage) -> None:
    """Persons trapped: an incident with timed steps; who is late is told on, the report is due after the rescue."""
    await stage.open()
    await stage.say("L1", trapped="no")
    await stage.pass_to("0:01")
    await stage.say("L1", trapped="yes")
    await stage.pass_to("0:03")
    await stage.act("L1", "trapped", "accept")
    await stage.note("L1", "trapped", "calmed")
    await stage.pass_to("0:06")  # the maintainer should have been called
    await stage.note("L1", "trapped", "maintainer_called")
    await stage.pass_to("0:21")
    await stage.pass_to("0:31")
    await stage.pass_to("0:33")
    await stage.act("L1", "trapped", "arrive", "wang")
    await stage.pass_to("0:50")
    await stage.note("L1", "trapped", "rescued", "wang")
    await stage.say("L1", trapped="no")
    await stage.act("L1", "trapped", "finish", "wang")
    await stage.pass_to("1:05")
    await stage.pass_to("3:50")
    await stage.pass_to("4:50")
    await stage.note("L1", "trapped", "reported", "wang")
    await stage.pass_to("5:00")


@_play
async def thousand_alarms(stage: Stage) -> None:
    """A thousand alarms in ten seconds: ten ordinary orders at most, what is never suppressed all through."""
    await stage.open(House(assets=STORM_ASSETS, rules=STORM_RULES))
    boxes = list(STORM_ASSETS)
    good, bad = (dict.fromkeys([f"e{n}" for n in range(1, 6)], word) for word in ("good", "bad"))
    await stage.say_all(boxes, **good)
    await stage.pass_to("0:01")
    for second, few in enumerate(batched(boxes, 20)):
        await stage.step(f"0:01:{second:02}")
        await stage.say_all(few, **bad)
    for clock in ("0:02:10", "0:05", "0:15"):
        await stage.pass_to(clock)
    await stage.say_all(boxes, **good)
    await stage.pass_to("0:30")
