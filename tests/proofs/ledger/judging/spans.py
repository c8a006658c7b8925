"""What a history proves about how long each issue counted, and whom it was refused to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from tests.proofs.ledger.judging.books import Books, IssueRow
from tests.proofs.ledger.judging.history import Attempt, Key
from tests.proofs.ledger.judging.limits import DAY_MS, REFUSALS, Span
from tests.proofs.ledger.judging.told import FOREVER, Told

ENDINGS = frozenset({"redeem", "void", "withdraw", "erase"})


class Ends:
    """Attempts that may end issues, by the issue."""

    def __init__(self, history: Sequence[Attempt]) -> None:
        self.issued = {
            attempt.answer["issue_id"]: attempt
            for attempt in history
            if attempt.operation == "issue" and attempt.answer is not None
        }
        codes = {attempt.answer["code"]: number for number, attempt in self.issued.items() if attempt.answer}
        by_household: dict[int, list[int]] = defaultdict(list)
        for number, attempt in self.issued.items():
            by_household[attempt.request["household_id"]].append(number)
        redeemed: dict[Key | None, set[int]] = defaultdict(set)
        for attempt in history:
            if attempt.operation == "redeem" and attempt.request["code"] in codes:
                redeemed[attempt.own_key].add(codes[attempt.request["code"]])
        self.by_issue: dict[int, list[Attempt]] = defaultdict(list)
        for attempt in history:
            for number in _ended(attempt, codes, by_household, redeemed):
                self.by_issue[number].append(attempt)


def _ended(
    attempt: Attempt,
    codes: Mapping[str, int],
    by_household: Mapping[int, Sequence[int]],
    redeemed: Mapping[Key | None, set[int]],
) -> Collection[int]:
    if attempt.operation in {"withdraw", "erase"}:
        return by_household.get(attempt.request["household_id"], ())
    if attempt.operation == "reverse":
        return redeemed.get(("redeem", attempt.client, attempt.request["redeem_key"]), ())
    number = codes.get(attempt.request.get("code", "")) or attempt.request.get("issue_id")
    return (number,) if number is not None and attempt.operation in ENDINGS else ()


def spans(history: Sequence[Attempt], told: Told, books: Books) -> list[Span]:
    """One for every issue in the books."""
    ends = Ends(history)
    first_called: dict[Key | None, int] = {}
    acknowledged: dict[Key | None, int] = {}
    for attempt in history:
        if attempt.operation == "issue":
            key = attempt.own_key
            first_called[key] = min(attempt.called, first_called.get(key, FOREVER))
            if attempt.answer is not None and attempt.returned is not None:
                acknowledged[key] = min(attempt.returned, acknowledged.get(key, FOREVER))
    owners = {
        row.owner: ends.issued[row.issue_id].request["household_id"]
        for row in books.issues
        if row.issue_id in ends.issued
    }
    found = []
    for row in books.issues:
        key = ends.issued[row.issue_id].own_key if row.issue_id in ends.issued else None
        owner = owners.get(row.owner, row.owner)
        instants = (first_called.get(key, 0), acknowledged.get(key, FOREVER - 1))
        found.append(_span(row, owner, instants, ends.by_issue[row.issue_id], told))
    return found


def _span(row: IssueRow, owner: int | str, instants: tuple[int, int], ends: Sequence[Attempt], told: Told) -> Span:
    terms = told.coupons[row.coupon_id]
    expiry = told.machine(terms.expires_at)
    is_free = row.state in {"expired", "void"}
    freed = [one.returned for one in ends if _surely_ended(one, row.issue_id)]
    return Span(
        terms,
        owner,
        row.issued_at // DAY_MS,
        *instants,
        first_use=min([expiry, *(one.called for one in ends)]),
        first_release=min([expiry, *(one.called for one in ends if one.operation != "redeem")]) if is_free else FOREVER,
        last_release=min((one for one in freed if one is not None), default=FOREVER - 1) if is_free else FOREVER - 1,
    )


def _surely_ended(attempt: Attempt, issue_id: int) -> bool:
    """Whether its answer says so; consent that is withdrawn leaves a redeemed issue as it is."""
    if attempt.answer is None or attempt.answer.get("issue_id") != issue_id:
        return False
    return attempt.operation == "void" or attempt.answer.get("state") in {"expired", "void"}


def refused_for_limits(history: Sequence[Attempt]) -> Iterator[Attempt]:
    """Issues that were refused because of a limit."""
    return (one for one in history if one.operation == "issue" and one.refusal in REFUSALS)


def against_consent(history: Sequence[Attempt], told: Told) -> Iterator[tuple[Attempt, str]]:
    """Issues to households that had not agreed, or refusals of those that had: (attempt, what is wrong)."""
    withdrawn: dict[int, int] = {}
    for attempt in history:
        if attempt.operation in {"withdraw", "erase"}:
            household = attempt.request["household_id"]
            withdrawn[household] = min(attempt.called, withdrawn.get(household, FOREVER))
    for attempt in history:
        if attempt.operation != "issue":
            continue
        household = attempt.request["household_id"]
        agreed = told.definitions.consents.get(household, False)
        if attempt.answer is not None and not agreed:
            yield attempt, f"issued to household {household}, which has not agreed"
        if attempt.refusal == "no_consent" and agreed and withdrawn.get(household, FOREVER) > (attempt.returned or 0):
            yield attempt, f"household {household} has agreed"
