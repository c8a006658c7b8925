"""Validate and redeem: a look first, so that refusals never queue; then one transaction that checks all again."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from coupon_pipeline.ledger.operations.context import (
    Context,
    LostError,
    until_settled,
)
from coupon_pipeline.ledger.operations.outbox import emit
from coupon_pipeline.ledger.operations.spending import (
    Look,
    judge,
    known,
    looked,
)
from coupon_pipeline.ledger.reasons import Reason, RefusalError
from coupon_pipeline.ledger.records import Basket, Redeemed, Valid
from coupon_pipeline.ledger.statement import Database, Row, Statement, Transaction

KEY: Final = Statement(
    "select redemption_id, issue_id, fingerprint, discount_cents, at, reversed_at from redemption "
    "where client = :client and idem = :idem"
)
SPEND: Final = Statement(
    "update issue set state = 'redeemed' where issue_id = :issue_id and state = 'issued' and valid_from <= :now "
    "and expires_at > :now and value_cents >= :discount and pid = :pid "
    "and (held_until is null or held_until <= :now or held_by = :client) returning issue_id"
)
FACT: Final = Statement(
    "insert into redemption (issue_id, client, idem, fingerprint, discount_cents, store_id, till_id, basket_id, "
    "stacking_group, at) values (:issue_id, :client, :idem, :fingerprint, :discount, :store_id, :till_id, :basket_id, "
    ":stacking_group, :now) on conflict do nothing returning redemption_id"
)


def validate(database: Database, context: Context, client: str, code: str, basket: Basket, now: int) -> Valid:
    """Whether a coupon could be redeemed now; changes nothing. Raises RefusalError."""
    look = known(database.read(lambda tx: looked(tx, context, code, basket)))
    judge(look, client, basket, now)
    return Valid(
        look.issue_id,
        look.coupon_id,
        look.value_cents,
        look.min_quantity,
        look.min_spend_cents,
        look.valid_from,
        look.expires_at,
    )


def redeem(
    database: Database, context: Context, client: str, key: str, code: str, basket: Basket, discount: int, now: int
) -> Redeemed:
    """Redeem once; raises RefusalError or UnavailableError."""
    idem = context.idem(key)
    # A redemption is judged by its lines: one without any has bought nothing.
    basket = replace(basket, lines=basket.lines or ())
    fingerprint = fingerprint_of(context, code, basket, discount)

    def peek(tx: Transaction) -> tuple[Look | None, Row | None]:
        # The coupon before the key: the other way round a retry that overlaps its own first try finds no key, then a
        # coupon that is spent, and is told so although it spent it itself.
        look = looked(tx, context, code, basket)
        return look, tx.one(KEY, client=client, idem=idem)

    def attempt() -> Redeemed:
        look, fact = database.read(peek)
        if fact is not None:
            return replayed(fact, fingerprint)
        judge(known(look), client, basket, now, discount)
        return _spent(database, known(look), (client, idem, fingerprint), basket, discount, now)

    return until_settled(attempt)


def fingerprint_of(context: Context, code: str, basket: Basket, discount: int) -> bytes:
    """Digest of what a redemption asks for."""
    lines = [[line.product_id, line.quantity, line.gross_cents] for line in basket.lines or ()]
    lookups = context.lookups(code)
    told = lookups[-1].hex() if lookups else ""
    where = [basket.store_id, basket.till_id, basket.basket_id, basket.household_id]
    return context.fingerprint(told, where, lines, discount)


def replayed(fact: Row, fingerprint: bytes) -> Redeemed:
    """The answer that a key has had before; raises RefusalError where it belongs to something else."""
    redemption_id, issue_id, found, discount, at, reversed_at = fact
    if issue_id is None or (reversed_at is not None and bytes(found) == fingerprint):
        raise RefusalError(
            Reason.REVERSED, "the redemption with this key was reversed: redeem again under a fresh key", "key"
        )
    if bytes(found) != fingerprint:
        raise RefusalError(
            Reason.KEY_REUSED, "the key belongs to another redemption: take a fresh one for other parameters", "key"
        )
    return Redeemed(redemption_id, issue_id, discount, at, replay=True)


def _spent(
    database: Database, look: Look, key: tuple[str, bytes, bytes], basket: Basket, discount: int, now: int
) -> Redeemed:
    client, idem, fingerprint = key

    def work(tx: Transaction) -> int:
        values = {"issue_id": look.issue_id, "now": now, "discount": discount, "client": client}
        if tx.one(SPEND, pid=look.pid, **values) is None:
            raise LostError
        fact = tx.one(
            FACT,
            idem=idem,
            fingerprint=fingerprint,
            store_id=basket.store_id,
            till_id=basket.till_id,
            basket_id=basket.basket_id,
            stacking_group=look.stacking_group,
            **values,
        )
        if fact is None:
            raise LostError
        emit(tx, now, "redeemed", look.issue_id, discount, fact[0])
        return fact[0]

    return Redeemed(database.write(work), look.issue_id, discount, now, replay=False)
