"""The judge of storms is judged first: it catches every planted defect, and believes every legal history."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, combinations, permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.proofs.ledger.judging.books import Books, EventRow, IssueRow, RedemptionRow
from tests.proofs.ledger.judging.checker import Verdict, judge
from tests.proofs.ledger.judging.history import Attempt, read, whole_lines
from tests.proofs.ledger.judging.model import EMPTY, Step, World, after
from tests.proofs.ledger.judging.search import explains
from tests.proofs.ledger.judging.stepping import parts
from tests.proofs.ledger.toys.planted import PLANTED
from tests.proofs.ledger.toys.playing import TOLD, Play, play
from tests.proofs.ledger.toys.toy import Toy

MOST_PLAYS = 400
LINES = [{"product_id": 1, "quantity": 1, "gross_cents": 400}]


@pytest.mark.parametrize("toy", PLANTED, ids=lambda toy: toy.__name__)
def test_a_planted_defect_is_caught_as_what_it_is(toy: type[Toy]) -> None:
    seen: set[str] = set()
    for seed in range(MOST_PLAYS):
        seen |= {finding.kind for finding in play(toy, random.Random(seed))[1].findings}
        if seen >= PLANTED[toy]:
            return
    pytest.fail(f"{MOST_PLAYS} histories have shown {seen or 'nothing'}")


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 600))
def test_no_legal_history_is_refused(seed: int, steps: int) -> None:
    assert play(Toy, random.Random(seed), steps)[1].findings == []


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 5), st.sampled_from(("already_redeemed", "void", "expired", None)))
def test_the_search_finds_an_order_exactly_where_trying_all_orders_does(
    seed: int, spoilt: int, refusal: str | None
) -> None:
    made = Toy(TOLD.definitions)
    history = Play(made, random.Random(seed)).run(40)
    found = [part for part in parts(history, TOLD, made.books()) if 1 < len(part.steps) <= 6]
    for part in found:
        steps = list(part.steps)
        at = spoilt % len(steps)
        if steps[at].attempt.operation in {"redeem", "void", "validate", "hold"} and not steps[at].is_optional:
            lied = replace(steps[at].attempt, answer=None if refusal else {"replay": False}, refusal=refusal)
            steps[at] = replace(steps[at], attempt=lied)
        assert explains(steps, part.accepts) == any_order(steps, part.accepts)


def any_order(steps: Sequence[Step], accepts: Any) -> bool:
    """Whether some order of all steps, without some that are optional, explains them: the slow and simple way."""
    must = [step for step in steps if not step.is_optional]
    may = [step for step in steps if step.is_optional]
    chosen = chain.from_iterable(combinations(may, size) for size in range(len(may) + 1))
    return any(accepts(world) for some in chosen for order in permutations([*must, *some]) for world in worlds(order))


def worlds(order: Sequence[Step]) -> list[World]:
    """The worlds at whose end this order may leave us; none where it is impossible."""
    for number, step in enumerate(order):
        if any(later.returned < step.attempt.called for later in order[number + 1 :]):
            return []
    found = [EMPTY]
    for step in order:
        found = [changed for world in found for changed in after(world, step)]
    return found


def issued(number: int) -> Attempt:
    """Issue `number`, at the beginning."""
    answer = {"issue_id": number, "code": f"code-{number}", "replay": False}
    return Attempt("app", "issue", f"issue-{number}", {"household_id": number, "coupon_id": 5}, 1, 1_000_000, answer)


def used(key: str, called: int, returned: int | None, number: int = 1, **told: Any) -> Attempt:
    """A redemption of issue 1 between two instants (ms), granted unless `told` otherwise."""
    request = {"code": "code-1", "basket_id": key, "discount_cents": 50, "lines": LINES}
    attempt = Attempt("store-1", "redeem", key, request, called * 1_000_000, returned and returned * 1_000_000)
    granted = {"redemption_id": number, "issue_id": 1, "discount_cents": 50, "redeemed_at": called, "replay": False}
    return replace(attempt, **(told or {"answer": granted}))


def books(*uses: RedemptionRow) -> Books:
    """The books after issue 1 and some redemptions of it."""
    events = [EventRow(1, "issued", 1)]
    for row in uses:
        events.append(EventRow(len(events) + 1, "redeemed", 1, row.redemption_id, row.discount_cents))
    state = "redeemed" if uses else "issued"
    return Books([IssueRow(1, 5, "owner", 100, state, 0)], uses, events)


def row(key: str, at: int, number: int = 1) -> RedemptionRow:
    """A redemption of issue 1."""
    return RedemptionRow(number, 1, "store-1", key, 50, at)


def kinds(verdict: Verdict) -> set[str]:
    return {finding.kind for finding in verdict.findings}


def test_the_report_names_the_coupon_and_the_fewest_answers_that_contradict_each_other() -> None:
    looks = [
        Attempt("store-1", "validate", None, {"code": "code-1"}, at * 1_000_000, at * 1_000_000 + 1, {"issue_id": 1})
        for at in range(2, 9)
    ]
    history = [issued(1), *looks, used("key-one", 20, 21), used("key-two", 30, 31, 2)]
    history.append(used("key-three", 40, 41, refusal="already_redeemed"))
    found = judge(history, TOLD, books(row("key-one", 20)))
    [unexplained] = [finding for finding in found.findings if finding.kind == "unexplained"]
    assert unexplained.subject == "issues [1]"
    assert unexplained.text.count("\n") == 2
    assert "key-one" in unexplained.text
    assert "key-two" in unexplained.text


def test_what_nobody_was_told_may_have_happened_or_not() -> None:
    silent = used("key-one", 20, None, answer=None)
    refused = used("key-two", 30, 31, refusal="already_redeemed")
    granted = used("key-two", 30, 31)
    assert judge([issued(1), silent, refused], TOLD, books(row("key-one", 20))).findings == []
    assert judge([issued(1), silent, granted], TOLD, books(row("key-two", 30))).findings == []
    # The first has left nothing in the books, so there is nothing that the second could have met.
    assert kinds(judge([issued(1), silent, refused], TOLD, books())) == {"unexplained"}


def test_an_unknown_request_cannot_have_happened_before_it_was_sent() -> None:
    early = used("key-two", 10, 11, refusal="already_redeemed")
    silent = used("key-one", 20, None, answer=None)
    assert kinds(judge([issued(1), early, silent], TOLD, books(row("key-one", 20)))) == {"unexplained"}


def test_what_was_acknowledged_must_be_in_the_books_and_what_is_there_was_asked_for() -> None:
    assert "lost" in kinds(judge([issued(1), used("key-one", 20, 21)], TOLD, books()))
    assert "difference" in kinds(judge([issued(1)], TOLD, books(row("key-one", 20))))


def test_a_history_that_was_cut_off_is_read_to_its_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    attempt = used("key-one", 20, 21)
    path.write_text(attempt.line() + attempt.line()[:30])
    assert read([path]) == [attempt]
    assert path.read_text() == attempt.line()
    assert whole_lines(tmp_path / "none.jsonl") == []
