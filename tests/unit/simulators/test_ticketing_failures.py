from typing import Any

import aiohttp
import pytest

from simulators import ticketing

Order = dict[str, Any]
Http = aiohttp.ClientSession


async def script(http: Http, service: ticketing.Ticketing, *steps: Order) -> None:
    async with http.post(f"{service.url}/_script", json=list(steps)) as answer:
        assert answer.status == 200


async def create(http: Http, service: ticketing.Ticketing, order: Order) -> int:
    headers = {"Idempotency-Key": order["key"]}
    timeout = aiohttp.ClientTimeout(total=0.3)
    async with http.post(f"{service.url}/v1/orders", json=order, headers=headers, timeout=timeout) as answer:
        await answer.read()
        return answer.status


async def orders_kept(http: Http, service: ticketing.Ticketing) -> int:
    async with http.get(f"{service.url}/_tally") as answer:
        kept: int = (await answer.json())["orders"]
        return kept


async def test_a_timeout_after_creating_leaves_the_order_behind(
    http: Http, service: ticketing.Ticketing, order: Order
) -> None:
    """The client hears nothing, the record is there, and the repeat finds it."""
    await script(http, service, {"match": "create", "kind": "timeout_after_create"})
    with pytest.raises(TimeoutError):
        await create(http, service, order)

    assert await orders_kept(http, service) == 1
    assert await create(http, service, order) == 200


async def test_a_timeout_before_leaves_nothing(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """The client hears nothing and nothing happened."""
    await script(http, service, {"match": "create", "kind": "timeout_before"})
    with pytest.raises(TimeoutError):
        await create(http, service, order)

    assert await orders_kept(http, service) == 0
    assert await create(http, service, order) == 201


async def test_a_held_request_ends_by_itself(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """After `hold` seconds the socket is closed without an answer."""
    await script(http, service, {"match": "create", "kind": "timeout_before", "hold": 0.05})

    with pytest.raises(aiohttp.ServerDisconnectedError):
        await create(http, service, order)


@pytest.mark.parametrize(("kind", "kept"), [("reset", 0), ("reset_after_create", 1)])
async def test_a_reset_is_a_real_one(
    http: Http, service: ticketing.Ticketing, order: Order, kind: str, kept: int
) -> None:
    """The connection ends with a TCP RST, before or after the record was committed."""
    await script(http, service, {"match": "create", "kind": kind})
    with pytest.raises(aiohttp.ClientOSError) as reset:
        await create(http, service, order)

    assert reset.value.errno == 104
    assert await orders_kept(http, service) == kept


async def test_a_status_is_played_the_times_it_says(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """Steps follow each other; when they are used up the service is well again."""
    await script(
        http,
        service,
        {"match": "create", "kind": "status_5xx", "times": 2},
        {"match": "any", "kind": "refuse_422"},
        {"match": "note", "kind": "reset", "times": 9},
    )

    assert [await create(http, service, order) for _ in range(4)] == [503, 503, 422, 201]


async def test_retry_after_is_sent(http: Http, service: ticketing.Ticketing) -> None:
    """A busy service says when to come back."""
    await script(http, service, {"match": "poll", "kind": "status", "status": 429, "retry_after": 7})
    async with http.get(f"{service.url}/v1/changes") as answer:
        assert answer.status == 429
        assert answer.headers["Retry-After"] == "7"


async def test_a_probability_is_seeded(http: Http, service: ticketing.Ticketing, order: Order) -> None:
    """The same seed gives the same bad days."""
    step = {"match": "create", "kind": "status_5xx", "probability": 0.5, "seed": 3}

    async def day() -> list[int]:
        await script(http, service, step)
        return [await create(http, service, order) for _ in range(12)]

    first = await day()
    second = await day()

    assert [status == 503 for status in first] == [status == 503 for status in second]
    assert 503 in first
    assert {200, 201} & set(first)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ({"kind": "reset"}, "a script is a list of steps"),
        ([{"kind": "reset"}, {"kind": "explode"}], "step 2: kind must be one of"),
        ([{"kind": "reset", "match": "write"}], "step 1: match must be one of action, any, create, note, poll"),
        ([{"kind": "reset", "time": 1}], "step 1: unknown time"),
        ([{"kind": "reset", "times": "few"}], "step 1: invalid literal"),
        (["reset"], "step 1: must be a mapping"),
    ],
)
async def test_a_wrong_script_is_refused(http: Http, service: ticketing.Ticketing, steps: object, message: str) -> None:
    """The answer names the step and what is wrong."""
    async with http.post(f"{service.url}/_script", json=steps) as answer:
        assert answer.status == 422
        assert message in (await answer.json())["error"]
