"""Whether clients were told one thing, and whether the books say the same."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from tests.proofs.ledger.judging.books import Books
from tests.proofs.ledger.judging.history import Attempt, Key


def other_answers(history: Sequence[Attempt]) -> Iterator[tuple[str, str]]:
    """Keys whose repetitions were answered differently, or as if each were the first: (key, what is wrong)."""
    by_key: dict[Key, list[Attempt]] = defaultdict(list)
    for attempt in history:
        if attempt.own_key is not None and attempt.answer is not None:
            by_key[attempt.own_key].append(attempt)
    for key, attempts in by_key.items():
        answers = [{name: cell for name, cell in (one.answer or {}).items() if name != "replay"} for one in attempts]
        if any(answer != answers[0] for answer in answers):
            yield " ".join(key), f"answered {answers}"
        if sum(not (one.answer or {}).get("replay") for one in attempts) > 1:
            yield " ".join(key), "was answered as the first of its key more than once"


def lost(history: Sequence[Attempt], books: Books) -> Iterator[tuple[str, str]]:
    """What was acknowledged and is not in the books: (whom it was told, what is missing)."""
    uses = {row.redemption_id: row for row in books.redemptions}
    states = {row.issue_id: row.state for row in books.issues}
    reversed_at = _reversed_at(history, books)
    for attempt in history:
        answer, subject = attempt.answer, f"{attempt.operation} {attempt.client} {attempt.key}"
        if answer is None:
            continue
        if attempt.operation == "redeem":
            row = uses.get(answer["redemption_id"])
            told = (answer["issue_id"], answer["discount_cents"], answer["redeemed_at"], attempt.client)
            if row is None or (row.issue_id, row.discount_cents, row.at, row.client) != told:
                yield subject, f"acknowledged as {dict(answer)}, the books have {row}"
        if attempt.operation == "reverse" and answer["issue_id"] is not None:
            instants = reversed_at[_target(attempt)]
            if answer["reversed_at"] not in instants:
                yield subject, f"acknowledged as {dict(answer)}, the books have {instants}"
        if attempt.operation == "issue" and answer["issue_id"] not in states:
            yield subject, f"issue {answer['issue_id']} is not in the books"
        if attempt.operation == "void" and states.get(answer["issue_id"]) != "void":
            yield subject, f"issue {answer['issue_id']} is not void in the books"


def _reversed_at(history: Sequence[Attempt], books: Books) -> dict[Key | None, list[int | None]]:
    """When the redemptions of each key were reversed, as the books say."""
    rows = {(row.client, row.basket_id): row for row in books.redemptions}
    found: dict[Key | None, list[int | None]] = defaultdict(list)
    for attempt in history:
        if attempt.operation == "redeem":
            row = rows.get((attempt.client, attempt.request["basket_id"]))
            found[attempt.own_key] += [] if row is None else [row.reversed_at]
    return found


def _target(attempt: Attempt) -> Key:
    return "redeem", attempt.client, attempt.request["redeem_key"]


def unasked(history: Sequence[Attempt], books: Books) -> Iterator[tuple[int, str]]:
    """What is in the books though nobody asked for it: (issue id, what)."""
    asked = {
        (one.client, one.request["basket_id"], one.request["discount_cents"])
        for one in history
        if one.operation == "redeem"
    }
    for row in books.redemptions:
        if (row.client, row.basket_id, row.discount_cents) not in asked:
            yield row.issue_id, f"nobody asked for redemption {row.redemption_id}"
    issues = [one for one in history if one.operation == "issue"]
    known = {one.answer["issue_id"] for one in issues if one.answer is not None}
    answered = {one.own_key for one in issues if one.answer is not None}
    silent = {one.own_key: one.request["coupon_id"] for one in issues if one.is_unknown and one.own_key not in answered}
    room = Counter(silent.values())
    for row in books.issues:
        if row.issue_id not in known:
            room[row.coupon_id] -= 1
            if room[row.coupon_id] < 0:
                yield row.issue_id, f"nobody asked for an issue of coupon {row.coupon_id}"
