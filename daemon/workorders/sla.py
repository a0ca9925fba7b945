"""Deadlines by level, after the three-level response mechanism (三级响应机制) of property management practice."""

from __future__ import annotations

from datetime import timedelta

from daemon.model import Level

#: Ⅰ 紧急: a person responds within 15 min; Ⅱ 一般: dispatched within 2 h; Ⅲ 建议: contact within 24 h.
RESPOND_WITHIN = {
    Level.I: timedelta(minutes=15),
    Level.II: timedelta(hours=2),
    Level.III: timedelta(hours=24),
}
