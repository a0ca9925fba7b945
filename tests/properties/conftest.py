"""A property says what must hold, not how fast: a busy machine fails none."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("whatever the load", deadline=None)
settings.load_profile("whatever the load")
