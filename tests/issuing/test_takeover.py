"""Issues from before the ledger that can still be used are taken over; ids go on above all that were ever given."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.issuing.shop import (
    ANNA,
    BEFORE,
    BERT,
    BREAD,
    OVER,
    SOUP,
    TEA,
    issue,
    known,
    redemption,
)

from coupon_pipeline.clock import to_epoch
from coupon_pipeline.issuing.takeover import above, largest_id, live_issues


def test_live_issues_are_those_that_are_neither_used_nor_over_nor_nobodys(tmp_path: Path) -> None:
    issues = [issue(9, ANNA, SOUP), issue(1, ANNA, OVER), issue(2, None, SOUP), issue(3, BERT, SOUP)]
    issues += [issue(4, BERT, TEA), issue(5, ANNA, BREAD)]
    uses = [redemption(1, BERT, SOUP, 3), redemption(2, BERT, TEA, None)]
    found = live_issues(known(tmp_path, coupon_issues=issues, coupon_redemptions=uses))
    assert [one.issue_id for one in found] == [5, 9]
    [first, _] = found
    assert (first.household_id, first.coupon_id, first.channel) == (ANNA, BREAD, "print")
    assert (first.decision_id, first.issued_at) == ("decision-5", to_epoch(BEFORE))


def test_a_use_that_the_till_took_back_leaves_the_issue_live(tmp_path: Path) -> None:
    use = redemption(1, ANNA, SOUP, 9)
    back = use | {"is_deleted": True, "known_at": BEFORE + timedelta(hours=1)}
    as_of = known(tmp_path, coupon_issues=[issue(9, ANNA, SOUP)], coupon_redemptions=[use, back])
    assert [one.issue_id for one in live_issues(as_of)] == [9]


def test_the_largest_id_counts_what_is_over_and_what_is_nobodys(tmp_path: Path) -> None:
    as_of = known(tmp_path, coupon_issues=[issue(9, ANNA, SOUP), issue(70, None, OVER)])
    assert largest_id(as_of, "coupon_issues", "issue_id") == 70
    assert largest_id(as_of, "coupon_redemptions", "redemption_id") == 0


@pytest.mark.parametrize(
    ("largest", "round_number"),
    [(0, 0), (1, 10), (9, 10), (10, 100), (4_711, 10_000), (10**17, 10**18), (2**62, 2**62)],
)
def test_ids_go_on_above_a_round_number_where_there_is_room(largest: int, round_number: int) -> None:
    assert above(largest) == round_number
