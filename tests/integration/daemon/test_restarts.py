"""What a restart finds: a clock that lags, slips of the finger, changes of mind."""

import asyncio
import sqlite3
from datetime import datetime, timedelta

import pytest

from daemon import control, settings
from daemon.model import EPOCH, Reload, to_ms
from daemon.store.db import FILE
from daemon.store.journal import DEATHS, Journal
from tests.gateway import RULES, Gateway

pytestmark = pytest.mark.integration


async def test_site_time_goes_on_from_the_journal_when_nothing_else_remembers_it(gateway: Gateway) -> None:
    """A power cut has emptied the progress file and the wall clock lags: deadlines run on all the same."""
    async with gateway.running() as daemon:
        before = datetime.fromisoformat((await daemon.ask())["at"])
        assert await daemon.end() == 0
    ahead = before + timedelta(hours=1)
    db = sqlite3.connect(gateway.state / FILE)
    with db:
        db.execute(
            "INSERT INTO journal (seq, at, kind, body) SELECT max(seq) + 1, ?, 't', x'' FROM journal", [to_ms(ahead)]
        )
    db.close()
    (gateway.state / "progress").write_bytes(b"")

    async with gateway.running() as daemon:
        assert datetime.fromisoformat((await daemon.ask())["at"]) > ahead
        assert await daemon.end() == 0


async def test_a_slip_of_the_finger_ends_nothing(gateway: Gateway) -> None:
    """Acknowledging what is no alarm's number is answered, and changes nothing; the daemon goes on."""
    async with gateway.running() as daemon:
        path = gateway.state / "control.sock"
        for number in ("99999999999999999999", "²", "seven"):
            answer = await control.ask(path, "acknowledge", alarm=number, user="wang", reason="seen")
            assert "there is no alarm" in str(answer)

        assert daemon.rows("SELECT 1 FROM audit WHERE action = 'acknowledge'") == []
        assert await daemon.end() == 0


async def test_the_last_of_two_reloads_is_in_force(gateway: Gateway) -> None:
    """Rules are changed and changed back while the first reload is still on its way: they are as they were."""
    async with gateway.running() as daemon:
        first = (await daemon.ask())["rules"]["hash"]
        for _ in range(5):
            gateway.replace("rules/own.yaml", "above: 45 °C", "above: 46 °C")
            changed = asyncio.get_running_loop().create_task(daemon.ask("reload"))
            while changed not in (await asyncio.wait([changed], timeout=0.05))[0]:
                gateway.write("rules/own.yaml", RULES)
                await daemon.ask("reload")

            assert (await daemon.ask())["rules"]["hash"] == first
        assert await daemon.end() == 0


async def test_rules_whose_reload_has_ended_the_daemon_are_not_said_to_be_in_force(gateway: Gateway) -> None:
    """Set aside like any input that kills: the old rules go on, and the log says whose turn it is."""
    async with gateway.running() as daemon:
        first = (await daemon.ask())["rules"]["hash"]
        assert await daemon.end() == 0
    gateway.replace("rules/own.yaml", "above: 45 °C", "above: 46 °C")
    rules = settings.load(gateway.folder).ruleset
    db = sqlite3.connect(gateway.state / FILE, isolation_level=None)
    for _ in range(DEATHS):
        Journal(db).died(Reload(EPOCH, rules.hash), EPOCH, "boom")
    db.close()

    async with gateway.running() as daemon:
        assert (await daemon.ask())["rules"]["hash"] == first
        assert daemon.logged("rules_not_taken_up")
        assert "taking up these rules has ended the daemon" in str(await daemon.ask("reload"))
        assert await daemon.end() == 0
