"""The page about services told in YAML names every key there is, and its example is sound."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from daemon.documents import build, parse
from daemon.outputs.ticketing import shape
from daemon.outputs.ticketing.answers import AnswerConfig
from daemon.outputs.ticketing.filters import PLAIN, WITH_ARGUMENT
from daemon.outputs.ticketing.review import review
from daemon.outputs.ticketing.template import MAP

PAGE = (Path(__file__).parents[2] / "docs" / "ticketing-yaml.md").read_text(encoding="utf-8")
#: Every word that stands between back-ticks or in an example.
NAMED = frozenset(re.findall(r"[a-z_]+", " ".join(re.findall(r"`[^`]+`|```yaml.*?```", PAGE, re.DOTALL))))
MODELS: tuple[type[BaseModel], ...] = (
    shape.DeclaredConfig,
    shape.AuthConfig,
    shape.Basic,
    shape.Named,
    shape.MapConfig,
    shape.StatusMap,
    shape.CreateRequest,
    shape.SearchRequest,
    shape.OpenRequest,
    shape.ChangesRequest,
    shape.TicketRequest,
    shape.Requests,
    shape.RefConfig,
    shape.Reading,
    shape.TellingConfig,
    AnswerConfig,
)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_is_on_the_page(model: type[BaseModel]) -> None:
    """Whoever adds one writes it down."""
    keys = {field.alias or name for name, field in model.model_fields.items()}

    assert keys - NAMED == set()


def test_every_filter_is_on_the_page() -> None:
    """Likewise."""
    assert {MAP, *PLAIN, *WITH_ARGUMENT} - NAMED == set()


def test_the_example_is_sound() -> None:
    """As it stands there."""
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    told = parse(example.replace("ticketing:\n", "", 1).replace("\n  ", "\n").removeprefix("  "), "page")

    assert review(build(shape.DeclaredConfig, told)) == []
