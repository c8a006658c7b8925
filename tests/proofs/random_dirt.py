"""Random dirt over every table: how many deliveries were spoiled, and which of them broke what must always be true."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import HealthCheck, Phase, given, settings

from tests.contracts.spoiling.dirtying import SPOILINGS, WEEKS, Spoiling, split_without_loss

from coupon_pipeline.commands.outcome import Outcome
from coupon_pipeline.contracts import reader

EXAMPLES, SHORT_EXAMPLES = 12, 1
SETTINGS = settings(
    derandomize=True, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


def rows(short: bool) -> Iterator[Outcome]:
    """Deliveries spoiled, and those that lost a row, raised an error, or were not the same twice."""
    failed: dict[str, str] = {}
    examples = SHORT_EXAMPLES if short else EXAMPLES
    for table in reader.names():
        try:
            _spoil(table, examples)
        except Exception as error:
            failed[table] = f"{type(error).__name__}: {error}".splitlines()[0]
    yield Outcome("random dirt: deliveries", len(reader.names()) * examples * WEEKS)
    yield Outcome("random dirt: tables that lose or change a row", len(failed), op="<=", bar=0)
    for table, error in failed.items():
        yield Outcome(f"random dirt: {table}", error)


def _spoil(table: str, examples: int) -> None:
    @settings(SETTINGS, max_examples=examples)
    @given(spoilings=SPOILINGS)
    def spoil(spoilings: list[Spoiling]) -> None:
        split_without_loss(table, spoilings)

    spoil()
