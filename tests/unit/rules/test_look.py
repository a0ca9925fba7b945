"""How a rule stands at a moment, for whoever asks why."""

from __future__ import annotations

from tests.rule_bench import Bench


def test_what_must_be_true_to_clear_is_looked_at_too(bench: Bench) -> None:
    """With its own verdict and numbers, at the level that has it; the other has none."""
    rules = bench.ruleset("""
        r
        levels:
          - {level: I, when: {point: p, below: 0.05 MPa}}
          - {level: II, when: {point: p, below: 0.10 MPa}, clear: {when: {point: p, above: 0.12 MPa}}}
        """)
    bench.engine.reload(rules, bench.at(0))
    bench.hear(1, p=0.11)

    seen = bench.engine.look(next(rules.bindings()), bench.at(1))

    assert seen is not None
    urgent, other = seen.rungs
    assert urgent.clear is None
    assert other.clear is not None
    assert other.clear.verdict is False
    assert [(one.verdict, one.observed[0].limit) for one in other.clear.questions] == [(False, "above 0.12 MPa")]
