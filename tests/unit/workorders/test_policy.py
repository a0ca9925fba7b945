from __future__ import annotations

import pytest

from daemon.model import Alarm, AlarmState, Cause, DataState, Disposition, Level, Transition, from_ms
from daemon.workorders.policy import Action, Circumstances, Why, order_key, plan

T0 = from_ms(1_795_300_000_000)
S = AlarmState


def change(before: AlarmState, after: AlarmState, cause: Cause, *, late: bool = False) -> Transition:
    return Transition("r", "a", before, after, Level.I, DataState.GOOD, cause, T0, T0, late=late)


def alarm(disposition: Disposition) -> Alarm:
    return Alarm(1, "r", "a", S.ACTIVE, Level.I, DataState.GOOD, disposition, T0, order_key="k")


OWN = alarm(Disposition.OWN_ORDER)
LATE = alarm(Disposition.WITHHELD_LATE)
SHADOW = alarm(Disposition.WITHHELD_SHADOW)


@pytest.mark.parametrize(
    ("sentence", "transition", "open_alarm", "shadow", "action", "why"),
    [
        ("a pending alarm opens nothing", change(S.NORMAL, S.PENDING, Cause.CONDITION_HELD), None, False,
         Action.NOTHING, Why.NOT_ACTIVE),
        ("an activation opens an order", change(S.PENDING, S.ACTIVE, Cause.CONDITION_HELD), None, False,
         Action.OPEN, Why.ACTIVATED),
        ("a shadow rule sends nobody", change(S.PENDING, S.ACTIVE, Cause.CONDITION_HELD), None, True,
         Action.NOTHING, Why.SHADOW),
        ("late news waits to be borne out", change(S.NORMAL, S.ACTIVE, Cause.CONDITION_HELD, late=True), None, False,
         Action.NOTHING, Why.LATE),
        ("borne out, it opens", change(S.ACTIVE, S.ACTIVE, Cause.CONFIRMED), LATE, False,
         Action.OPEN, Why.RELEASED),
        ("late news that is over stays quiet", change(S.CLEARING, S.CLEARED, Cause.RECOVERED), LATE, False,
         Action.NOTHING, Why.WITHOUT_ORDER),
        ("clearing says nothing yet", change(S.ACTIVE, S.CLEARING, Cause.RECOVERED), OWN, False,
         Action.NOTHING, Why.ALREADY_OPEN),
        ("a relapse is the same order", change(S.CLEARING, S.ACTIVE, Cause.RELAPSED), OWN, False,
         Action.NOTHING, Why.ALREADY_OPEN),
        ("a worse level updates it", change(S.ACTIVE, S.ACTIVE, Cause.LEVEL_RAISED), OWN, False,
         Action.UPDATE, Why.WORSE),
        ("lost data is said on it", change(S.ACTIVE, S.ACTIVE, Cause.DATA_LOST), OWN, False,
         Action.UPDATE, Why.DATA_CHANGED),
        ("recovery is written on it", change(S.CLEARING, S.CLEARED, Cause.RECOVERED), OWN, False,
         Action.RECOVER, Why.RECOVERED),
        ("a removed rule is written on it", change(S.ACTIVE, S.CLEARED, Cause.RULE_REMOVED), OWN, False,
         Action.RECOVER, Why.RECOVERED),
        ("a withheld alarm stays quiet", change(S.CLEARING, S.CLEARED, Cause.RECOVERED), SHADOW, False,
         Action.NOTHING, Why.WITHOUT_ORDER),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) and " " in value else None,
)  # fmt: skip
def test_policy(
    sentence: str, transition: Transition, open_alarm: Alarm | None, *, shadow: bool, action: Action, why: Why
) -> None:
    """Each row's sentence holds."""
    decision = plan(transition, open_alarm, Circumstances(shadow=shadow))

    assert (decision.action, decision.why) == (action, why), sentence


def test_the_key_names_site_asset_rule_ledger_and_alarm() -> None:
    """No value and no time in it."""
    key = order_key("site", change(S.PENDING, S.ACTIVE, Cause.CONDITION_HELD), "abc", 12)

    assert key == "site|a|r|abc|12"


def test_a_safety_class_state_opens_however_late() -> None:
    """An entrapment that is heard of an hour later still needs a person."""
    late = change(S.NORMAL, S.ACTIVE, Cause.CONDITION_HELD, late=True)

    assert plan(late, None, Circumstances(open_late=True)).action is Action.OPEN
