"""Whoever writes to the tables, facts never change or vanish and states go one way, on both databases."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest
import sqlalchemy as sa

from tests.ledger.filled import content, fill

from coupon_pipeline.ledger.schema import ISSUE, REDEMPTION
from coupon_pipeline.ledger.statement import Database, Statement


def names(table: sa.Table) -> list[str]:
    return [column.name for column in table.columns]


FREE = {"state", "decision_id", "idem", "fingerprint", "held_by", "held_idem", "held_until"}
"""Columns of an issue that have rules of their own, or none."""
FACTS = "the facts of an issue never change"
ONE_WAY = "an issue goes from issued to redeemed, expired or void, from redeemed to issued, expired or void"
FORBIDDEN = {
    **{f"update issue set {name} = {name}": FACTS for name in names(ISSUE) if name not in FREE},
    "delete from issue": "rows of issue are never deleted",
    **{
        f"update issue set state = '{after}' where state = '{before}'": ONE_WAY
        for before, after in (
            *(("expired", after) for after in ("issued", "redeemed", "void")),
            *(("void", after) for after in ("issued", "redeemed", "expired")),
        )
    },
    **{
        f"update issue set {change} where issue_id = {number}": "at erasure alone"
        for change, number in (
            ("decision_id = null", 1),
            ("idem = code_hash", 2),
            ("fingerprint = code_hash", 3),
            ("decision_id = 'another'", 5),
        )
    },
    **{
        f"update redemption set {name} = {name}": "the facts of a redemption never change"
        for name in names(REDEMPTION)
        if name != "reversed_at"
    },
    "update redemption set reversed_at = null": "filled in once",
    "delete from redemption": "never deleted",
    "update consent_change set marketing = 0": "never change",
    "delete from consent_change": "never deleted",
    "update suppression set at = 1": "never change",
    "delete from suppression": "never deleted",
    "update request set answer = 'no'": "never change",
    "delete from request": "never deleted",
    "update pseudonym set pid = household_hmac": "never change",
    **{
        f"update outbox set {name} = {name}": "an event of the outbox never changes"
        for name in ("event_id", "at", "topic", "issue_id", "redemption_id", "cents")
    },
    "update outbox set batch = 3 where batch = 2": "filled in once",
    "update outbox set batch = null where batch = 2": "filled in once",
    "delete from outbox where batch is null": "stays until its batch is done",
    "delete from outbox where batch = 2": "stays until its batch is done",
    "update batch set digest = 'x'": "number, instant and digest of a batch stay",
    "update batch set known_at = 1": "number, instant and digest of a batch stay",
    "update batch set done_at = 1 where number = 1": "filled in once",
    "update batch set done_at = null where number = 1": "filled in once",
    "delete from batch where number = 2": "never deleted",
    "update batch_topic set cents = 0": "never change",
    "delete from batch_topic": "never deleted",
}
"""Statement -> what it is answered."""
ALLOWED = (
    "update issue set held_by = 'store-7', held_idem = idem, held_until = 5000 where issue_id = 1",
    "update issue set decision_id = null, idem = code_hash, fingerprint = code_hash where issue_id = 5",
    "update issue set state = 'redeemed' where issue_id = 1",
    "update issue set state = 'issued' where issue_id = 1",
    "update issue set state = 'expired' where issue_id = 1",
    "update issue set state = 'void' where issue_id = 2",
    "update issue set state = state",
    "update redemption set reversed_at = 5000",
    "update outbox set batch = 3 where batch is null",
    "delete from outbox where batch = 1",
    "update batch set done_at = 8000 where number = 2",
    "update batch set trimmed_at = 8000 where number = 1",
    "update consent set marketing = 0",
    "delete from consent",
    "delete from pseudonym",
    "update campaign set paid_cents = 60",
)


def answer(database: Database, text: str) -> str:
    """What a statement is answered when it is refused, empty where it is done."""
    try:
        database.write(lambda tx: tx.run(Statement(text)))
    except (sqlite3.IntegrityError, psycopg.IntegrityError) as error:
        return str(error)
    return ""


@pytest.fixture
def filled(database: Database) -> Database:
    fill(database)
    return database


def test_what_is_forbidden_is_refused_with_the_rule_and_changes_nothing(filled: Database) -> None:
    before = content(filled)
    answers = {text: answer(filled, text) for text in FORBIDDEN}
    assert {text: told for text, told in answers.items() if FORBIDDEN[text] not in told} == {}
    assert content(filled) == before


def test_what_a_coupon_lives_through_is_allowed(filled: Database) -> None:
    assert {text: told for text in ALLOWED if (told := answer(filled, text))} == {}


def test_tables_of_postgresql_cannot_be_emptied_at_a_stroke(postgresql_url: str) -> None:
    with psycopg.connect(postgresql_url) as connection, pytest.raises(psycopg.IntegrityError, match="never emptied"):
        connection.execute("truncate outbox")
