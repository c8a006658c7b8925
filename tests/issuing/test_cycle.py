"""A cycle issues once: again it changes nothing, killed it is taken up, and too late it issues nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from tests.issuing.shop import (
    ANNA,
    BERT,
    BREAD,
    CYCLE,
    DECIDED,
    NO_LIMITS,
    OLD,
    SILENT,
    SOUP,
    TEA,
    decided,
    issue,
    known,
    ledger_in,
    redemption,
)

from coupon_pipeline.clock import to_epoch
from coupon_pipeline.issuing import cycle, record
from coupon_pipeline.ledger.audit import audit
from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.sources.ledgered import ORIGIN_FROM, REDEMPTIONS_ABOVE
from coupon_pipeline.tables import AsOf

PAIRS = ((BERT, SOUP), (ANNA, TEA), (ANNA, SOUP), (SILENT, SOUP))
NEXT = "2025-03-17"


@pytest.fixture
def as_of(tmp_path: Path) -> AsOf:
    return known(tmp_path)


def issued(ledger: Ledger, as_of: AsOf, rows: pa.Table | None = None) -> cycle.Issuing:
    return cycle.issue(ledger, as_of, CYCLE, decided(*PAIRS) if rows is None else rows, NO_LIMITS)


def test_each_assignment_has_an_issue_or_the_name_of_a_refusal(tmp_path: Path, as_of: AsOf) -> None:
    with ledger_in(tmp_path) as ledger:
        found = issued(ledger, as_of)
        outstanding = cycle.outstanding_cents(ledger)
    assert found.rows.schema == record.ISSUES
    rows = found.rows.to_pylist()
    assert [(row["household_id"], row["coupon_id"]) for row in rows] == sorted(PAIRS)
    assert [row["reason"] for row in rows] == [None, None, None, "no_consent"]
    assert [row["issue_id"] is None for row in rows] == [False, False, False, True]
    assert [row["issued_at"] for row in rows] == [DECIDED, DECIDED, DECIDED, None]
    assert (found.issued, found.replayed, found.reserved_cents, outstanding) == (3, 0, 400, 400)
    assert record.refused(found.rows) == {"no_consent": 1}


def test_again_it_changes_nothing_and_says_what_was_there(tmp_path: Path, as_of: AsOf) -> None:
    with ledger_in(tmp_path) as ledger:
        first = issued(ledger, as_of)
    with ledger_in(tmp_path) as ledger:
        again = issued(ledger, as_of)
        assert len(ledger.batches(0, cycle.FOREVER)) == 1
        assert all(check.passed for check in audit(ledger.database))
    assert again.rows.equals(first.rows)
    assert (again.issued, again.replayed, again.reserved_cents) == (0, 3, 400)


@pytest.mark.parametrize("step", ["import_live", "set_setting", "expire", "claim", "exported_issues"])
def test_killed_before_any_step_it_ends_the_same(
    tmp_path: Path, as_of: AsOf, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    with ledger_in(whole) as ledger:
        expected = issued(ledger, as_of)
    with monkeypatch.context() as patch, ledger_in(halved) as ledger:
        patch.setattr(Ledger, step, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            issued(ledger, as_of)
    with ledger_in(halved) as ledger:
        found = issued(ledger, as_of)
        assert found.rows.equals(expected.rows)
        assert ledger.setting(ORIGIN_FROM) == NEXT


def test_the_first_cycle_takes_over_what_is_live_and_makes_the_ledger_the_origin(tmp_path: Path) -> None:
    issues = [issue(41, ANNA, BREAD), issue(40, BERT, SOUP), issue(50, BERT, TEA)]
    as_of = known(tmp_path, coupon_issues=issues, coupon_redemptions=[redemption(812, BERT, TEA, 50)])
    with ledger_in(tmp_path) as ledger:
        found = issued(ledger, as_of)
        assert ledger.setting(ORIGIN_FROM) == NEXT
        assert ledger.setting(REDEMPTIONS_ABOVE) == "1000"
        exported = ledger.exported_issues(0, cycle.FOREVER, [ANNA, BERT])
    assert found.imported == 2
    new = {row["issue_id"]: row for row in found.rows.to_pylist() if row["issue_id"] is not None}
    assert min(new) > 50
    # What was given out before is not told of again, and holds its category.
    assert [(one.issue_id, one.household_id) for one in exported] == [(one, ANNA) for one in sorted(new)]
    assert record.refused(found.rows) == {"category_taken": 1, "no_consent": 1}


def test_later_cycles_leave_the_origin_as_it_is(tmp_path: Path, as_of: AsOf) -> None:
    with ledger_in(tmp_path) as ledger:
        issued(ledger, as_of)
        late = [issue(60, BERT, BREAD)]
        again = cycle.issue(ledger, known(tmp_path / "more", coupon_issues=late), NEXT, decided(), NO_LIMITS)
        assert (again.imported, ledger.setting(ORIGIN_FROM), ledger.setting("newest_cycle")) == (0, NEXT, NEXT)


def test_a_cycle_is_over_once_a_later_one_has_issued_or_its_week_is_not_the_last_one(
    tmp_path: Path, as_of: AsOf
) -> None:
    with ledger_in(tmp_path) as ledger:
        assert cycle.is_over(ledger, OLD, CYCLE)
        assert not cycle.is_over(ledger, CYCLE, CYCLE)
        issued(ledger, as_of)
        assert not cycle.is_over(ledger, CYCLE, CYCLE)
        assert not cycle.is_over(ledger, NEXT, NEXT)
        cycle.issue(ledger, as_of, NEXT, decided(), NO_LIMITS)
        assert cycle.is_over(ledger, CYCLE, CYCLE)


def test_a_cycle_that_is_over_issues_nothing_and_keeps_what_it_had(tmp_path: Path, as_of: AsOf) -> None:
    with ledger_in(tmp_path) as ledger:
        before = issued(ledger, as_of).rows
        more = decided(*PAIRS, (BERT, TEA))
        kept = cycle.skip(ledger, as_of, more, before)
        assert kept.rows.num_rows == before.num_rows + 1
        assert record.refused(kept.rows) == {"cycle_over": 1, "no_consent": 1}
        assert cycle.skip(ledger, as_of, decided(*PAIRS), before).rows.equals(before)
        lost = cycle.skip(ledger, as_of, decided(*PAIRS), None)
        assert lost.rows["issue_id"].equals(before["issue_id"])
        assert record.refused(lost.rows) == {"cycle_over": 1}
        assert cycle.outstanding_cents(ledger) == 400


def test_an_old_cycle_can_be_read_after_its_events_were_trimmed(tmp_path: Path, as_of: AsOf) -> None:
    with ledger_in(tmp_path) as ledger:
        before = issued(ledger, as_of).rows
        ledger.done([one.number for one in ledger.batches(0, cycle.FOREVER)])
        ledger.trim(cycle.FOREVER)
        assert cycle.skip(ledger, as_of, decided(*PAIRS), before).rows.equals(before)
        assert cycle.skip(ledger, as_of, decided(*PAIRS), None).rows["issue_id"].null_count == len(PAIRS)


def test_limits_refuse_by_name(tmp_path: Path, as_of: AsOf) -> None:
    with ledger_in(tmp_path) as ledger:
        short = replace(NO_LIMITS, total_liability_cents=260)
        found = cycle.issue(ledger, as_of, CYCLE, decided((ANNA, SOUP), (BERT, SOUP), (BERT, TEA)), short)
        assert record.refused(found.rows) == {"liability_exhausted": 1}
        assert cycle.outstanding_cents(ledger) == 250


def test_coupons_that_are_over_make_room_for_the_next(tmp_path: Path) -> None:
    as_of = known(tmp_path, coupon_issues=[issue(1, ANNA, BREAD)])
    with ledger_in(tmp_path) as ledger:
        issued(ledger, as_of)
        reserved = cycle.outstanding_cents(ledger)
    with ledger_in(tmp_path, DECIDED + timedelta(days=7)) as ledger:
        cycle.issue(ledger, as_of, NEXT, decided(), NO_LIMITS)
        assert cycle.outstanding_cents(ledger) == reserved - 60
        last = ledger.batches(0, cycle.FOREVER)[-1]
        assert last.known_at == to_epoch(DECIDED + timedelta(days=7))
