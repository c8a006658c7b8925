"""Whatever is delivered, no row is lost, nothing is raised, and the same delivery gives the same bytes."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.contracts.spoiling.dirtying import SPOILINGS, Spoiling, split_without_loss

from coupon_pipeline.contracts import reader


@pytest.mark.parametrize("table", reader.names())
@settings(max_examples=1, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(spoilings=SPOILINGS)
def test_any_dirt_is_split_without_loss(table: str, spoilings: list[Spoiling]) -> None:
    split_without_loss(table, spoilings)
