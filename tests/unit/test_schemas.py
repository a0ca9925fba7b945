from __future__ import annotations

import pytest

from daemon import settings
from daemon.cli.schema import MODELS, render


@pytest.mark.parametrize("name", MODELS)
def test_the_committed_schema_is_the_models_own(name: str) -> None:
    """Whoever changes a configuration model writes the schemas anew: `precomplaint schema config/schema`."""
    assert (settings.shipped() / "schema" / f"{name}.schema.json").read_bytes() == render(name)
