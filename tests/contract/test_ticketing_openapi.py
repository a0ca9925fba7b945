"""The stand-in is the contract's first implementer: its paths and its answers are those of the OpenAPI document."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from simulators import ticketing
from simulators.failures import Script
from simulators.ticketing.api import build
from simulators.ticketing.store import Store

CONTRACT = Path(__file__).parents[2] / "config" / "ticketing" / "openapi.yaml"
Json = dict[str, Any]
TOKEN = "t"  # noqa: S105  nobody's


@pytest.fixture(scope="module")
def document() -> Json:
    loaded: Json = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    return loaded


def resolve(document: Json, schema: Json) -> Json:
    while "$ref" in schema:
        found: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        schema = found
    return schema


TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


def faults(document: Json, schema: Json, value: Any, at: str = "$") -> list[str]:  # noqa: ANN401  any JSON
    """What in a value does not fit a schema; the few keywords that the contract uses."""
    schema = resolve(document, schema)
    found = [fault for part in schema.get("allOf", []) for fault in faults(document, part, value, at)]
    if "anyOf" in schema and all(faults(document, part, value, at) for part in schema["anyOf"]):
        found.append(f"{at}: fits no alternative")
    return found + own_faults(document, schema, value, at)


def own_faults(document: Json, schema: Json, value: Any, at: str) -> list[str]:  # noqa: ANN401  any JSON
    found: list[str] = []
    kinds = schema.get("type", [])
    allowed = tuple(t for kind in ([kinds] if isinstance(kinds, str) else kinds) for t in TYPES[kind])
    if allowed and (not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed)):
        return [f"{at}: is no {kinds}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: {value!r} is none of {schema['enum']}")
    if schema.get("format") == "date-time" and datetime.fromisoformat(value).tzinfo is None:
        found.append(f"{at}: has no offset")
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        found.append(f"{at}: does not match {schema['pattern']}")
    if isinstance(value, dict):
        found += [f"{at}.{name}: is missing" for name in schema.get("required", []) if name not in value]
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                found += faults(document, inner, value[name], f"{at}.{name}")
    if isinstance(value, list):
        for number, item in enumerate(value):
            found += faults(document, schema.get("items", {}), item, f"{at}[{number}]")
    return found


def test_the_stand_in_has_the_contracts_paths_and_members(document: Json) -> None:
    """Paths, methods, parameters and the members of bodies are the same in the document and in the application."""
    with Store() as store:
        generated = build(store, Script(frozenset()), token=None, timezone="UTC").openapi()

    def shape(spec: Json) -> set[tuple[str, str, frozenset[tuple[str, str, bool]]]]:
        found = set()
        for path, methods in spec["paths"].items():
            shared = methods.get("parameters", [])
            for method, operation in methods.items():
                if method == "parameters":
                    continue
                parameters = [resolve(spec, p) for p in [*shared, *operation.get("parameters", [])]]
                named = frozenset((p["in"], p["name"], p.get("required", False)) for p in parameters)
                found.add((path, method, named))
        return found

    def members(spec: Json, name: str) -> tuple[set[str], set[str]]:
        schema = spec["components"]["schemas"][name]
        return set(schema["properties"]), set(schema["required"])

    assert shape(generated) == shape(document)
    for name in ("Order", "Note", "Action", "Progress", "Observed", "Text"):
        assert members(generated, name) == members(document, name), name


def test_the_examples_fit_their_schemas(document: Json) -> None:
    """Whoever copies an example sends something valid."""
    checked = []
    stack: list[Any] = [document]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if "schema" in node and "examples" in node:
                for example in node["examples"].values():
                    value = resolve(document, example)["value"]
                    checked.append(faults(document, node["schema"], value))
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)

    assert len(checked) >= 9
    assert not any(checked)


def test_every_description_is_in_both_languages(document: Json) -> None:
    """Chinese is read first, English second, wherever a sentence explains something."""
    operations = [
        operation
        for methods in document["paths"].values()
        for method, operation in methods.items()
        if method != "parameters"
    ]
    texts = [document["info"]["description"], *(o["summary"] for o in operations)]
    texts += [a["description"] for o in operations for a in o["responses"].values() if "description" in a]

    for text in texts:
        assert re.search(r"[\u4e00-\u9fff]", text), text
        assert re.search(r"[A-Za-z]{3}", text), text


async def test_the_answers_fit_the_document(document: Json) -> None:
    """Each status that the stand-in gives is documented for that call, and its body fits the schema."""
    order = document["components"]["examples"]["LiftOrder"]["value"]
    note = {"kind": "update", "at": order["active_at"], "text": {"zh": "更新", "en": "update"}}
    calmed = {"by": "张师傅", "stamp": "calmed"}
    key = order["key"]
    calls = [
        ("post", "/v1/orders", "/v1/orders", order, key, 201),
        ("post", "/v1/orders", "/v1/orders", order, key, 200),
        ("post", "/v1/orders", "/v1/orders", {**order, "late": True}, key, 409),
        ("post", "/v1/orders", "/v1/orders", {**order, "level": "IV"}, key, 422),
        ("get", "/v1/orders", f"/v1/orders?key={key}", None, "", 200),
        ("get", "/v1/orders", "/v1/orders?open=perhaps", None, "", 422),
        ("post", "/v1/orders/{order_id}/notes", "/v1/orders/T000001/notes", note, "n1", 201),
        ("post", "/v1/orders/{order_id}/notes", "/v1/orders/T000001/notes", note, "n1", 200),
        ("post", "/v1/orders/{order_id}/notes", "/v1/orders/T000001/notes", {**note, "level": "I"}, "n1", 409),
        ("post", "/v1/orders/{order_id}/notes", "/v1/orders/T000001/notes", {}, "n1", 422),
        ("post", "/v1/orders/{order_id}/notes", "/v1/orders/T000002/notes", note, "n1", 404),
        ("post", "/v1/orders/{order_id}/{action}", "/v1/orders/T000001/accept", {"by": "张师傅"}, "", 200),
        ("post", "/v1/orders/{order_id}/{action}", "/v1/orders/T000001/accept", {}, "", 422),
        ("post", "/v1/orders/{order_id}/{action}", "/v1/orders/T000001/finish", {"by": "张师傅"}, "", 200),
        ("post", "/v1/orders/{order_id}/{action}", "/v1/orders/T000001/accept", {"by": "张师傅"}, "", 409),
        ("post", "/v1/orders/{order_id}/{action}", "/v1/orders/T000002/accept", {"by": "张师傅"}, "", 404),
        ("post", "/v1/orders/{order_id}/{action}", "/v1/orders/T000001/reopen", {"by": "李业主"}, "", 200),
        ("post", "/v1/orders/{order_id}/progress", "/v1/orders/T000001/progress", calmed, "", 200),
        (
            "post",
            "/v1/orders/{order_id}/progress",
            "/v1/orders/T000001/progress",
            {"by": "李主管", "team": "电梯班"},
            "",
            200,
        ),
        ("post", "/v1/orders/{order_id}/progress", "/v1/orders/T000001/progress", {"stamp": "calmed"}, "", 422),
        ("post", "/v1/orders/{order_id}/progress", "/v1/orders/T000002/progress", calmed, "", 404),
        ("get", "/v1/orders/{order_id}", "/v1/orders/T000001", None, "", 200),
        ("get", "/v1/orders/{order_id}", "/v1/orders/T000002", None, "", 404),
        ("get", "/v1/changes", "/v1/changes?since=0&site=riverside", None, "", 200),
        ("get", "/v1/changes", "/v1/changes?since=yesterday", None, "", 422),
        ("get", "/v1/complaints", "/v1/complaints?since=0&site=riverside", None, "", 200),
        ("get", "/v1/complaints", "/v1/complaints?since=yesterday", None, "", 422),
    ]
    async with ticketing.serving(token=TOKEN) as service, aiohttp.ClientSession(service.url) as http:
        for token, calls_made in ((TOKEN, calls), ("wrong", [(*call[:5], 401) for call in calls])):
            for method, path, url, body, idempotency, status in calls_made:
                headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": idempotency}
                async with http.request(method, url, json=body, headers=headers) as answer:
                    value = await answer.json()
                    assert answer.status == status, (method, url, value)
                described = resolve(document, document["paths"][path][method]["responses"][str(status)])
                schema = described["content"]["application/json"]["schema"]

                assert faults(document, schema, value) == [], (method, url)


async def test_complaints_fit_the_document_and_tell_nothing_of_a_person(document: Json) -> None:
    """By cursor, each once; one that names no site is any site's; room and customer stay where they are."""
    schema = document["components"]["schemas"]["Complaints"]
    said = {"text": "水压低", "room": "1-2-1202", "building": "b1", "asset_kind": "water_zone", "channel": "hotline"}
    found = []
    async with ticketing.serving() as service, aiohttp.ClientSession(service.url) as http:
        for site in ("", "riverside", "elsewhere"):
            async with http.post("/v1/complaints", json={**said, "site": site}) as answer:
                assert answer.status == 201
        for since in ("0", "2", "3"):
            async with http.get(f"/v1/complaints?site=riverside&since={since}") as answer:
                found.append(await answer.json())

    assert [faults(document, schema, page) for page in found] == [[], [], []]
    assert [[c["id"] for c in page["complaints"]] for page in found] == [["C000001", "C000002"], [], []]
    assert [page["cursor"] for page in found] == ["2", "2", "3"]
    assert set(found[0]["complaints"][0]) == set(document["components"]["schemas"]["Complaint"]["properties"])
