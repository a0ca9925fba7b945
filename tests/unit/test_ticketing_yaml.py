"""A ticketing service told in YAML: what `check` finds wrong with it, and where."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from daemon import settings
from daemon.cli.main import app
from daemon.model import ConfigError
from daemon.outputs.ticketing.contract import TicketingConfig
from daemon.outputs.ticketing.shape import DeclaredConfig

STARTER = settings.shipped() / "starter"
REFERENCE = "ticketing:\n  url: http://127.0.0.1:8080\n"
TOLD = """\
ticketing:
  url: http://127.0.0.1:8080
  capability: search
  auth: {header: {name: X-Token, token: "${cred:erp}"}}
  secrets: {app: "${cred:app}"}
  answers: {code: code, success: [0], otherwise: permanent}
  maps:
    urgency: {values: {I: "041001", II: "041002", III: "041003"}}
    house: {values: {b1: HY-B1}, default: HY-B9}
  statuses:
    values: {"1": sent, "2": accepted, "3": done}
    default: ignore
  requests:
    create:
      method: POST
      path: /create
      json:
        title: "{title.zh} {marker}"
        urgency: "{level|map:urgency}"
        house: "{building|map:house}"
        app: "{secret.app}"
      ref: {path: data.id}
    note:
      method: POST
      path: /notes/{ref}
      json: {text: "{text.zh}"}
    search:
      method: GET
      path: /search
      query: {q: "{code}"}
      list: data
      ref: id
      match: title
      contains: "{marker}"
    changes:
      method: GET
      path: /changes
      query: {from: "{since|ms}"}
      list: data
      ref: id
      entry: {status: status}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A copy of the starter configuration with a service told in YAML."""
    shutil.copytree(STARTER, tmp_path, dirs_exist_ok=True)
    (tmp_path / "credentials").mkdir()
    for name in ("erp", "app", "roundup", "pagerduty"):
        (tmp_path / "credentials" / name).write_text("s3cret\n", encoding="utf-8")
    change(tmp_path, REFERENCE, TOLD)
    return tmp_path


def change(site: Path, old: str, new: str) -> None:
    path = site / "gateway.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def faults(site: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        settings.load_gateway(site / "gateway.yaml")
    return [fault.removeprefix(f"{site}/") for fault in caught.value.faults]


def line_of(site: Path, text: str, name: str = "gateway.yaml") -> str:
    """`file:line:column` of a text."""
    lines = (site / name).read_text(encoding="utf-8").splitlines()
    number, line = next((n, line) for n, line in enumerate(lines, 1) if text in line)
    return f"{name}:{number}:{line.index(text) + 1}"


def test_a_service_told_in_yaml_is_sound(site: Path) -> None:
    """And its secrets are where they should be."""
    found = settings.load_gateway(site / "gateway.yaml").ticketing

    assert isinstance(found, DeclaredConfig)
    assert found.secrets["app"].get_secret_value() == "s3cret"
    assert "s3cret" not in repr(found)


def test_the_reference_contract_needs_no_more_than_before(site: Path) -> None:
    """Existing files mean what they meant."""
    change(site, TOLD, REFERENCE)

    assert isinstance(settings.load(site).gateway.ticketing, TicketingConfig)


@pytest.mark.parametrize(
    ("old", "new", "at", "fault"),
    [
        ("{title.zh} {marker}", "{titla.zh} {marker}", "title:", "did you mean {title.zh}?"),
        ("{text.zh}", "{title.zh}", "text:", "{title.zh} names nothing; "),
        ("{level|map:urgency}", "{level|map:urgensy}", 'urgency: "{', "did you mean 'urgency'?"),
        ("{secret.app}", "{secret.ap}", 'app: "{', "did you mean {secret.app}?"),
        ("/notes/{ref}", "/notes/{reff}", "path: /notes", "did you mean {ref}?"),
        ("{since|ms}", "{sinca|ms}", "from:", "did you mean {since}?"),
        ("{title.zh} {marker}", "{title} {marker}", "title:", "write {title.zh}, {title.en}"),
        ("{title.zh} {marker}", "{title.zh {marker}", "title:", "a '{' stands alone"),
        ('I: "041001", II', 'I: "041001", IV: 4, II', "IV: 4", "there is no level 'IV'; did you mean"),
        ('II: "041002", ', "", "urgency: {", "nothing is said for level II; add it to values, or a default"),
        ("default: HY-B9", f"default: {2**70}", 'house: "{', "gives a number that cannot stand in JSON"),
        (", default: HY-B9", "", "house: {", "building can be what is not listed"),
        ("capability: search", "capability: neither", "capability:", "choose `on_ambiguous: park`"),
        ("capability: search", "capability: search\n  on_ambiguous: park", "on_ambiguous", "remove on_ambiguous"),
        ("capability: search", "capability: key", "create:", "the create sends no key"),
        ("{title.zh} {marker}", "{title.zh}", "create:", "put {marker} into its title or text"),
        ('contains: "{marker}"', 'contains: "{rule}"', "search:\n", "the search must look for what the create wrote"),
        (", otherwise: permanent", "", "answers:", "nothing says what an unlisted code means"),
        ("success: [0], ", "", "answers:", "nothing says which code means success"),
        ("code: code, ", "", "answers:", "nothing says where the code stands"),
        ('{from: "{since|ms}"}', "{}", "changes:\n", "the whole list would be fetched each time"),
        ('3": done', '3": verified', "statuses:", "no state means `done`"),
        ("/create\n", "/create?x={title.zh|cut}\n", "path: /create", "write cut:…"),
    ],
)  # fmt: skip
def test_a_mistake_is_found_where_it_stands(site: Path, old: str, new: str, at: str, fault: str) -> None:
    """Before anything is sent, with what to do about it."""
    change(site, old, new)

    found = faults(site)

    place = line_of(site, at.rstrip("\n"))
    assert [one for one in found if one.startswith(f"{place}: ") and fault in one], (place, found)
    assert len(found) == 1, found


def test_a_building_that_the_site_does_not_have_is_a_fault(site: Path) -> None:
    """A slip of the pen would send every order of that building to the default."""
    change(site, "{b1: HY-B1}", "{bl: HY-B1}")

    with pytest.raises(ConfigError) as caught:
        settings.load(site)

    (fault,) = caught.value.faults
    assert fault.startswith(f"{site}/{line_of(site, 'bl: HY')}: maps.house.values.bl: there is no building 'bl'")
    assert "did you mean 'b1'?" in fault or "known are b1" in fault


def test_a_search_must_be_told_where_it_is_promised(site: Path) -> None:
    """Nobody could look for the ticket."""
    text = (site / "gateway.yaml").read_text(encoding="utf-8")
    begin, end = text.index("    search:\n"), text.index("    changes:\n")
    (site / "gateway.yaml").write_text(text[:begin] + text[end:], encoding="utf-8")

    (fault,) = faults(site)

    assert fault.startswith(f"{line_of(site, 'capability')}: capability: `capability: search` needs requests.search")


def test_states_that_are_polled_must_mean_something(site: Path) -> None:
    """Otherwise nobody's work would ever be seen."""
    change(site, '  statuses:\n    values: {"1": sent, "2": accepted, "3": done}\n    default: ignore\n', "")

    (fault,) = faults(site)

    assert "states are polled, and nothing says what they mean; add `statuses`" in fault


def test_a_webhook_must_be_told_how_it_reads(site: Path) -> None:
    """Its requests would be refused one by one."""
    (site / "credentials" / "hook").write_text("0123456789abcdef", encoding="utf-8")
    change(site, "  capability: search\n", '  capability: search\n  webhook: {secret: "${cred:hook}"}\n')

    (fault,) = faults(site)

    assert "nothing says how its requests read; add `told` and `statuses`" in fault


def test_what_is_written_on_a_ticket_must_be_told(site: Path) -> None:
    """Updates, recoveries, reopenings and verifications go somewhere, or are left out on purpose."""
    change(site, '    note:\n      method: POST\n      path: /notes/{ref}\n      json: {text: "{text.zh}"}\n', "")

    (fault,) = faults(site)

    assert "nothing tells how recovery, reopen, update, verified is written on a ticket; add requests.note" in fault


def test_a_made_ticket_must_show(site: Path) -> None:
    """A login page answers 200 as well."""
    change(site, "  answers: {code: code, success: [0], otherwise: permanent}\n", "")
    change(site, "ref: {path: data.id}", "ref: {absent: key}")

    (fault,) = faults(site)

    assert "nothing in the answer tells that a ticket was made" in fault


def test_a_value_that_is_kept_must_have_been(site: Path) -> None:
    """Of an earlier request, not of this one or a later."""
    change(site, 'app: "{secret.app}"', 'app: "{kept.session}"')

    (fault,) = faults(site)

    assert fault.startswith(line_of(site, 'app: "{kept'))
    assert "{kept.session} names nothing" in fault


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('"{secret.app}"', '"${cred:app}"', "a secret in a request would be shown; write it under `secrets:`"),
        ('"${cred:app}"', '"plain-text"', "a secret must not stand in YAML"),
        ('"${cred:erp}"', '"plain-text"', "a secret must not stand in YAML"),
        ('"${cred:erp}"', '"${cred:no}"', "${cred:no} cannot be read"),
    ],
)
def test_secrets_stand_in_their_own_place(site: Path, old: str, new: str, fault: str) -> None:
    """Never in YAML, never in what is shown."""
    change(site, old, new)

    found = faults(site)

    assert any(fault in one for one in found)
    assert not any("s3cret" in one or "plain-text" in one for one in found)


def test_an_unknown_key_is_a_fault_of_that_service(site: Path) -> None:
    """With the nearest known one."""
    change(site, "      match: title\n", "      mach: title\n")

    found = faults(site)

    assert any(one.startswith(line_of(site, "mach")) and "did you mean 'match'?" in one for one in found)


# --- presets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "told",
    [
        'preset: roundup\n  url: http://127.0.0.1:1/t\n  auth: {basic: {username: gw, password: "${cred:roundup}"}}\n',
        'preset: pagerduty-v2\n  secrets: {routing_key: "${cred:pagerduty}"}\n',
    ],
    ids=["roundup", "pagerduty-v2"],
)
def test_a_shipped_preset_is_sound(site: Path, told: str) -> None:
    """With the few lines that its head names."""
    change(site, TOLD, f"ticketing:\n  {told}")

    assert isinstance(settings.load_gateway(site / "gateway.yaml").ticketing, DeclaredConfig)


def test_a_site_changes_what_it_does_otherwise(site: Path) -> None:
    """Member by member; null takes one away."""
    change(
        site,
        TOLD,
        "ticketing:\n  preset: roundup\n  url: http://127.0.0.1:1/t\n"
        '  auth: {basic: {username: gw, password: "${cred:roundup}"}}\n'
        "  maps: {priority: {values: {III: wish}}}\n  requests: {open: null, search: {settle: null}}\n",
    )

    found = settings.load_gateway(site / "gateway.yaml").ticketing

    assert isinstance(found, DeclaredConfig)
    assert found.maps["priority"].values == {"I": "critical", "II": "urgent", "III": "wish"}
    assert found.requests.open is None
    assert found.requests.search is not None


def test_a_preset_may_be_a_file_of_the_site(site: Path) -> None:
    """Its faults are told where they stand, in that file."""
    own = "\n".join(line[2:] for line in TOLD.splitlines()[1:]) + "\n"
    (site / "erp.yaml").write_text(own.replace("{title.zh}", "{titla.zh}"), encoding="utf-8")
    change(site, TOLD, "ticketing:\n  preset: erp.yaml\n")

    (fault,) = faults(site)

    assert fault.startswith(f"{line_of(site, 'title:', 'erp.yaml')}: requests.create.json.title: ")


def test_an_unknown_preset_is_a_fault(site: Path) -> None:
    """With the nearest one."""
    change(site, TOLD, "ticketing:\n  preset: roundap\n  url: http://127.0.0.1:1\n")

    (fault,) = faults(site)

    assert fault == f"{line_of(site, 'preset')}: there is no preset 'roundap'; did you mean 'roundup'?"


# --- orders preview ----------------------------------------------------------------------------------------


def test_what_would_be_sent_is_shown(site: Path) -> None:
    """Every request for a made-up order, secrets hidden; the service need not be there."""
    shown = CliRunner().invoke(app, ["orders", "preview", "-c", str(site), "-o", "json"])

    requests = {one["name"]: one for one in orjson.loads(shown.stdout)["requests"]}
    assert shown.exit_code == 0
    assert list(requests) == [
        "create",
        "search",
        "update",
        "recovery",
        "reopen",
        "verified",
        "duplicate",
        "chart",
        "changes",
    ]
    create = requests["create"]
    assert (create["method"], create["url"]) == ("POST", "http://127.0.0.1:8080/create")
    assert create["headers"]["X-Token"] == "***"
    body = orjson.loads(create["body"])
    assert (body["app"], body["urgency"], body["house"]) == ("***", "041001", "HY-B9")
    assert "s3cret" not in shown.output


def test_one_request_is_shown_for_a_person(site: Path) -> None:
    """With its body laid out."""
    shown = CliRunner().invoke(app, ["orders", "preview", "-c", str(site), "--request", "create"])

    assert shown.exit_code == 0
    assert shown.output.startswith("── create\nPOST http://127.0.0.1:8080/create\n")
    assert '  "urgency": "041001"' in shown.output
    assert "search" not in shown.output


def test_the_reference_contract_has_nothing_to_show(site: Path) -> None:
    """Its requests are those of the contract."""
    change(site, TOLD, REFERENCE)

    shown = CliRunner().invoke(app, ["orders", "preview", "-c", str(site)])

    assert (shown.exit_code, "标准接口" in shown.output) == (0, True)


def test_a_preset_whose_name_no_file_can_have_is_a_fault(site: Path) -> None:
    """As any other that is not there."""
    change(site, TOLD, f"ticketing:\n  preset: {'x' * 5000}\n  url: http://127.0.0.1:1\n")

    (fault,) = faults(site)

    assert "there is no preset" in fault
