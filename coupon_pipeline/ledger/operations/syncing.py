"""Make campaigns, coupons, limits and consent known: the same definitions twice change nothing."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from coupon_pipeline.ledger import schema
from coupon_pipeline.ledger.operations import admission
from coupon_pipeline.ledger.operations.context import Context, number_of
from coupon_pipeline.ledger.operations.ending import void_unwanted
from coupon_pipeline.ledger.operations.escrow import SHARDS, TOTAL
from coupon_pipeline.ledger.operations.limits import set_limit
from coupon_pipeline.ledger.records import (
    CampaignTerms,
    CouponTerms,
    Definitions,
    Synced,
)
from coupon_pipeline.ledger.statement import Database, Statement, Transaction

TOGETHER: Final = 1_000
"""Consents or coupons of one transaction."""

SET: Final = Statement(
    "insert into setting (name, value) values (:name, :value) on conflict (name) do update set value = excluded.value"
)
UNSET: Final = Statement("delete from setting where name = :name")
CAMPAIGN: Final = Statement(
    "insert into campaign (campaign_id, state, per_household, budget_cents, paid_cents) values (:campaign_id, :state, "
    ":per_household, :budget_cents, 0) on conflict (campaign_id) do update set state = excluded.state, "
    "per_household = excluded.per_household, budget_cents = excluded.budget_cents"
)
COUPON_COLUMNS: Final = tuple(column.name for column in schema.COUPON.columns if column.name != "coupon_id")
COUPON: Final = Statement(
    f"insert into coupon (coupon_id, {', '.join(COUPON_COLUMNS)}) values (:coupon_id, "
    f"{', '.join(f':{name}' for name in COUPON_COLUMNS)}) on conflict (coupon_id) do update set "
    f"{', '.join(f'{name} = excluded.{name}' for name in COUPON_COLUMNS)}"
)
CAMPAIGN_IS: Final = Statement(
    "select state, per_household, budget_cents from campaign where campaign_id = :campaign_id"
)
COUPON_IS: Final = Statement(f"select {', '.join(COUPON_COLUMNS)} from coupon where coupon_id = :coupon_id")
PRODUCTS: Final = Statement("select product_id from coupon_product where coupon_id = :coupon_id")
FORGET_PRODUCT: Final = Statement(
    "delete from coupon_product where coupon_id = :coupon_id and product_id = :product_id"
)
ADD_PRODUCT: Final = Statement(
    "insert into coupon_product (coupon_id, product_id) values (:coupon_id, :product_id) on conflict do nothing"
)
OWNERS: Final = Statement(
    "select p.household_hmac, p.pid, c.marketing from pseudonym p left join consent c on c.pid = p.pid"
)
SUPPRESSED: Final = Statement("select household_hmac from suppression")
NAME: Final = Statement(
    "insert into pseudonym (household_hmac, pid) values (:household, :pid) on conflict do nothing returning pid"
)
CONSENT: Final = Statement(
    "insert into consent (pid, marketing, at) values (:pid, :marketing, :at) "
    "on conflict (pid) do update set marketing = excluded.marketing, at = excluded.at"
)
CHANGE: Final = Statement("insert into consent_change (pid, marketing, at) values (:pid, :marketing, :at)")


def sync(database: Database, context: Context, definitions: Definitions, now: int) -> Synced:
    """Bring the ledger up to date; what is not named stays. Raises UnavailableError.

    Withdrawn consent is written first and open issues are voided after it: an issue that slips in between is seen.
    """
    consents = _consents(database, context, definitions.consents, now)
    voided = 0
    while count := database.write(lambda tx: void_unwanted(tx, now), patient=True):
        voided += count
    raised = database.write(lambda tx: _settings(tx, definitions))
    campaigns = coupons = 0
    for part in _parts(definitions.campaigns):
        changed, kept = database.write(lambda tx, some=part: _campaigns(tx, some), patient=True)
        campaigns, raised = campaigns + changed, raised + kept
    for part in _parts(definitions.coupons):
        changed, kept = database.write(lambda tx, some=part: _coupons(tx, some, definitions.supplier_liability_cents))
        coupons, raised = coupons + changed, raised + kept
    return Synced(campaigns, coupons, consents, voided, tuple(raised))


def _parts(rows: Sequence[Any]) -> Iterator[list[Any]]:
    left = iter(rows)
    while part := list(islice(left, TOGETHER)):
        yield part


def _settings(tx: Transaction, definitions: Definitions) -> list[str]:
    tx.run(SET, name=admission.TIMEZONE, value=definitions.timezone)
    if definitions.per_household_day is None:
        tx.run(UNSET, name=admission.PER_DAY)
    else:
        tx.run(SET, name=admission.PER_DAY, value=str(definitions.per_household_day))
    raised = set_limit(tx, "total", TOTAL, definitions.total_liability_cents)
    for supplier, limit in sorted(definitions.supplier_liability_cents.items()):
        raised += set_limit(tx, "supplier", supplier, limit)
    return raised


def _campaigns(tx: Transaction, campaigns: Sequence[CampaignTerms]) -> tuple[int, list[str]]:
    """How many differ, and the limits that stay above what was asked for."""
    changed, raised = 0, []
    for campaign in sorted(campaigns, key=lambda one: one.campaign_id):
        state = "open" if campaign.is_open else "closed"
        cells = (state, campaign.per_household, campaign.budget_cents)
        if tx.one(CAMPAIGN_IS, campaign_id=campaign.campaign_id) != cells:
            changed += 1
            names = ("state", "per_household", "budget_cents")
            tx.run(CAMPAIGN, campaign_id=campaign.campaign_id, **dict(zip(names, cells, strict=True)))
        raised += set_limit(tx, "campaign", campaign.campaign_id, campaign.liability_cents)
        raised += set_limit(tx, "campaign_issues", campaign.campaign_id, campaign.max_issues)
    return changed, raised


def _coupons(
    tx: Transaction, coupons: Sequence[CouponTerms], suppliers: Mapping[int, int | None]
) -> tuple[int, list[str]]:
    changed, raised = 0, []
    for coupon in sorted(coupons, key=lambda one: one.coupon_id):
        cells = {name: getattr(coupon, name) for name in COUPON_COLUMNS} | {"is_bound": int(coupon.is_bound)}
        differs = tx.one(COUPON_IS, coupon_id=coupon.coupon_id) != tuple(cells.values())
        if differs:
            tx.run(COUPON, **cells, coupon_id=coupon.coupon_id)
        changed += _products(tx, coupon) or differs
        raised += set_limit(tx, "coupon_issues", coupon.coupon_id, coupon.max_issues)
        if coupon.supplier_id is not None and coupon.supplier_id not in suppliers:
            _known_supplier(tx, coupon.supplier_id)
    return changed, raised


def _known_supplier(tx: Transaction, supplier_id: int) -> None:
    """A supplier without a limit, where there is none yet: what it had before stays."""
    if not tx.all(SHARDS, scope="supplier", scope_id=supplier_id):
        set_limit(tx, "supplier", supplier_id, None)


def _products(tx: Transaction, coupon: CouponTerms) -> bool:
    """Bring the products of a coupon up to date; whether they differed."""
    known, wanted = {row[0] for row in tx.all(PRODUCTS, coupon_id=coupon.coupon_id)}, set(coupon.product_ids)
    for statement, products in ((FORGET_PRODUCT, known - wanted), (ADD_PRODUCT, wanted - known)):
        rows = [{"coupon_id": coupon.coupon_id, "product_id": product} for product in sorted(products)]
        if rows:
            tx.many(statement, rows)
    return known != wanted


def _consents(database: Database, context: Context, consents: Mapping[int, bool], now: int) -> int:
    """Write the consents that differ, withdrawn ones first; returns how many."""
    owners = {bytes(row[0]): row[2] for row in database.read(lambda tx: tx.all(OWNERS))}
    suppressed = {bytes(row[0]) for row in database.read(lambda tx: tx.all(SUPPRESSED))}
    changed = []
    for household_id, may in sorted(consents.items()):
        digest = context.household(household_id)
        if owners.get(digest) != int(may) and context.suppressed(household_id) not in suppressed:
            changed.append((may, digest, household_id))
    changed.sort(key=lambda one: one[0])
    for part in _parts(changed):
        database.write(lambda tx, some=part: _write_consents(tx, context, some, now), patient=True)
    return len(changed)


PID_OF: Final = Statement("select pid from pseudonym where household_hmac = :household")
IS_SUPPRESSED: Final = Statement("select 1 from suppression where household_hmac = :household")


HOUSEHOLD_LOCK: Final = Statement("select pg_advisory_xact_lock(:number)")
"""Consent and erasure of one household take turns: what is erased must not come back."""


def _write_consents(tx: Transaction, context: Context, changed: Sequence[tuple[bool, bytes, int]], now: int) -> None:
    for may, digest, household_id in changed:
        if tx.dialect == "postgresql":
            tx.one(HOUSEHOLD_LOCK, number=number_of(digest))
        if tx.one(IS_SUPPRESSED, household=context.suppressed(household_id)) is not None:
            continue
        row = tx.one(PID_OF, household=digest) or tx.one(NAME, household=digest, pid=secrets.token_bytes(16))
        [pid] = row or tx.one(PID_OF, household=digest) or (b"",)
        tx.run(CONSENT, pid=pid, marketing=int(may), at=now)
        tx.run(CHANGE, pid=pid, marketing=int(may), at=now)
