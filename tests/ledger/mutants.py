"""Defects as they are made in ledgers, planted one at a time: the machine must catch each."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import pytest

from tests.ledger.playing import Opened

from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.operations import (
    admission,
    chunks,
    ending,
    erasing,
    exporting,
    facts,
    holding,
    issuing,
    outbox,
    redeeming,
    requests,
    reversing,
    spending,
    syncing,
)
from coupon_pipeline.ledger.reasons import UnavailableError
from coupon_pipeline.ledger.sqlite import SqliteDatabase
from coupon_pipeline.ledger.statement import Database, Statement

CAUGHT = (AssertionError, UnavailableError, sqlite3.IntegrityError)
"""What the machine raises at a defect: a difference, a request that comes to no end, a constraint."""
Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Mutant:
    """A planted defect; `schema` is what it does to the tables of SQLite."""

    name: str
    plant: tuple[Plant, ...] = ()
    schema: str = ""

    @contextmanager
    def planted(self, fresh: Callable[[], Opened]) -> Generator[Callable[[], Opened]]:
        """Makes databases with the defect, as long as the block lasts."""

        def spoiled() -> Opened:
            database, remove = fresh()
            self.spoil(database)
            return database, remove

        # Tables that cannot be spoiled would pass for a defect that was caught.
        spoiled()[1]()
        with pytest.MonkeyPatch.context() as patch:
            for plant in self.plant:
                plant(patch)
            yield spoiled

    def spoil(self, database: Database) -> None:
        """Take from a SQLite file what stands in the way of the defect."""
        assert isinstance(database, SqliteDatabase)
        with closing(sqlite3.connect(database.path)) as connection:
            connection.executescript(self.schema)


def text(module: ModuleType, name: str, old: str, new: str = "") -> Plant:
    """Change the text of a statement."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        statement: Statement = getattr(module, name)
        assert old in statement.text, f"{name} does not say {old!r}"
        patch.setattr(module, name, Statement(statement.text.replace(old, new), statement.lock))

    return plant


def instead(target: Any, name: str, other: Any) -> Plant:
    """Put something else in the place of a name."""
    return lambda patch: patch.setattr(target, name, other)


def seeing(target: Any, name: str, **fixed: Any) -> Plant:
    """Let a function see other values in the fields of its first argument, a dataclass."""
    original = getattr(target, name)
    return instead(target, name, lambda first, *rest: original(replace(first, **fixed), *rest))


def _nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""


def _one_too_late(edge: str) -> Plant:
    """Judge the millisecond of an edge as the one before it."""
    original = spending._judge_state
    return instead(
        spending, "_judge_state", lambda look, now: original(look, now - 1 if getattr(look, edge) == now else now)
    )


def _any_request(fact: Any, _: bytes) -> Any:
    return REPLAYED(fact, bytes(fact[2]))


def _only_its_own(fact: Any, fingerprint: bytes) -> Any:
    return REPLAYED(fact if fact[1] else (*fact[:1], 0, *fact[2:5], None), fingerprint)


def _rounded_down(offer: admission.Offer) -> int:
    return 0 if offer.supplier_id is None else offer.value_cents * offer.supplier_share_bp // 10_000


REPLAYED = redeeming.replayed
NO_LIVE, NO_STACK = "drop index ux_redemption_live;", "drop index ux_redemption_stack;"
NO_CATEGORY, NO_HOUSEHOLD, NO_DAY = (f"drop index ux_issue_{name};" for name in ("category", "household", "day"))
STATE = "and state = 'issued' and valid_from <= :now and expires_at > :now "
HELD = "and (held_until is null or held_until <= :now or held_by = :client) "
MUTANTS = (
    Mutant(
        "spends what is spent", (instead(spending, "_judge_state", _nothing), text(redeeming, "SPEND", STATE)), NO_LIVE
    ),
    Mutant(
        "spends a millisecond too late", (_one_too_late("expires_at"), text(redeeming, "SPEND", "at > :n", "at >= :n"))
    ),
    Mutant("spends a millisecond too late at first", (_one_too_late("valid_from"),)),
    Mutant("ignores the owner", (instead(spending, "_judge_household", _nothing),)),
    Mutant("ignores holds", (seeing(redeeming, "judge", held_until=None), text(redeeming, "SPEND", HELD))),
    Mutant("ignores the group", (seeing(redeeming, "judge", is_stacked=0),), NO_STACK),
    Mutant("counts every product", (seeing(spending, "_judge_lines", has_products=0),)),
    Mutant(
        "ignores the face value",
        (seeing(redeeming, "judge", value_cents=9_999), text(redeeming, "SPEND", "and value_cents >= :discount ")),
    ),
    Mutant("answers any request with the key", (instead(redeeming, "replayed", _any_request),)),
    Mutant("calls a late packet a reused key", (instead(redeeming, "replayed", _only_its_own),)),
    Mutant("forgets what was reversed early", (instead(reversing, "TOMBSTONE", Statement("select :idem")),)),
    Mutant("gives back to whoever it was", (instead(reversing, "_state_after", lambda *_: "issued"),)),
    Mutant("keeps what ended issues reserved", (instead(ending, "release", _nothing),)),
    Mutant("reserves nothing", (instead(issuing, "_reserved", lambda *_: {}),)),
    Mutant("ignores limits in bulk", (instead(chunks, "_locked", lambda *_: defaultdict(lambda: 2**50)),)),
    Mutant("ignores consent", (text(admission, "OWNER", "c.marketing", "1"),)),
    Mutant("leaves issues open without consent", (instead(syncing, "void_unwanted", lambda *_: 0),)),
    Mutant(
        "ignores the category",
        (instead(issuing, "TAKEN_CATEGORY", Statement("select 1 where :pid = :category")),),
        NO_CATEGORY,
    ),
    Mutant(
        "counts open issues alone for a household",
        (text(issuing, "TAKEN_SLOTS", ":pid", ":pid and state = 'issued'"),),
        NO_HOUSEHOLD,
    ),
    Mutant(
        "counts open issues alone for a day", (text(issuing, "TAKEN_DAY", ":day", ":day and state = 'issued'"),), NO_DAY
    ),
    Mutant("tells of no redemption", (instead(redeeming, "emit", _nothing),)),
    Mutant("keeps no keys of requests", (instead(requests.Request, "keep", _nothing),)),
    Mutant("rounds the supplier's part down", (instead(admission.Offer, "supplier_cents", property(_rounded_down)),)),
    Mutant("exports no reversal", (text(exporting, "REDEMPTIONS", " 'reversed' and", " 'void' and"),)),
    Mutant("goes back in time", (instead(Ledger, "now", lambda self: self._clock()),)),
    Mutant("counts reversed payouts", (text(facts, "PAID", "where r.reversed_at is null "),)),
    Mutant("lets an erased household come back", (instead(erasing, "SUPPRESS", Statement("select :household, :now")),)),
    Mutant(
        "overwrites the key of the issue",
        (text(redeeming, "SPEND", "set state = 'redeemed'", "set state = 'redeemed', client = :client"),),
        "drop trigger issue_facts;",
    ),
    Mutant("expires a millisecond too late", (text(ending, "DUE", "expires_at <= :now", "expires_at < :now"),)),
    Mutant("trims one batch too many", (text(outbox, "TRIMMED", "known_at < :before", "known_at <= :before"),)),
    Mutant(
        "lets others renew a hold",
        (seeing(holding, "judge", held_until=None), text(holding, "HOLD", " or held_by = :client", " or true")),
    ),
)
