"""The world beside the real households: every judged moment within its tolerance, for several seeds."""

from __future__ import annotations

from collections.abc import Iterator

from coupon_pipeline.commands.outcome import Outcome
from coupon_pipeline.simulation.calibration.compare import simulated, spec_of
from coupon_pipeline.simulation.calibration.targets import load_targets
from coupon_pipeline.simulation.calibration.verdicts import verdicts

SEEDS = (1, 2, 3)


def rows(short: bool) -> Iterator[Outcome]:
    """One row per seed, and one more that names what is missed."""
    for seed in SEEDS[:1] if short else SEEDS:
        found, _ = simulated(spec_of(seed))
        judged = [row for row in verdicts(found, load_targets()) if row.passed is not None]
        missed = [row.name for row in judged if not row.passed]
        yield Outcome(f"moments missed of {len(judged)}, seed {seed}", len(missed), op="<=", bar=0)
        if missed:
            yield Outcome(f"missed, seed {seed}", ", ".join(missed))
