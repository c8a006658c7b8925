"""What the service says at its start: where it is, what it serves, and lines to try it with."""

from __future__ import annotations

import json
from itertools import islice
from typing import Final

from serving.recommender import recommend
from serving.schemas import RecommendRequest

from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.statement import Statement
from coupon_pipeline.snapshot.bundle import Bundle

MOST_TRIED: Final = 500
"""Households that are looked at for one that can be issued a coupon."""
LOOPBACK: Final = "Listens on this machine alone: a proxy in front must say who may come from elsewhere."
JSON: Final = "-H 'content-type: application/json'"

OFFERS: Final = Statement(
    "select c.coupon_id, c.value_cents, "
    "coalesce((select min(p.product_id) from coupon_product p where p.coupon_id = c.coupon_id), 1) "
    "from coupon c join campaign g on g.campaign_id = c.campaign_id "
    "where c.valid_from <= :now and c.expires_at > :now and g.state = 'open' order by c.coupon_id desc limit 20"
)


def greeting(url: str, bundle: Bundle | None, more: list[str]) -> str:
    """Some lines: the first begins with the address, the last says who can come."""
    if bundle is None:
        lines = [f"{url}  no bundle yet: publish one with `make run`, it is then picked up"]
    else:
        body = json.dumps({"household_id": _household_with_offers(bundle)})
        lines = [
            f"{url}  bundle {bundle.version}, week {bundle.content.for_week}; API page: {url}/",
            f"  curl -s {url}/recommend {JSON} -d '{body}'",
        ]
    return "\n".join((*lines, *more, LOOPBACK))


def coupon_lines(url: str, token: str, ledger: Ledger, bundle: Bundle | None) -> list[str]:
    """The key of development, and a household and a coupon for which the README's life of a coupon can be lived."""
    lines = [f"Coupons, described at {url}/v1/openapi.json; a coupon's life by curl, told in README.md, begins with"]
    found = None if bundle is None else _issuable(ledger, bundle)
    if found is None:
        return [
            *lines,
            f"  KEY={token}",
            "  (none can be issued yet: `make run` tells the ledger of a cycle's coupons)",
        ]
    household, (coupon_id, value_cents, product) = found
    of_coupon = f"COUPON={coupon_id} PRODUCT={product} CENTS={value_cents}"
    return [*lines, f"  KEY={token}", f"  URL={url} HOUSEHOLD={household} {of_coupon}"]


def _household_with_offers(bundle: Bundle) -> str:
    """The first household that gets an offer at the decision time; the first of all if none does."""
    ids = [str(household_id) for household_id in bundle.content.household_ids.tolist()]
    asked = (RecommendRequest(household_id=household_id, limit=1) for household_id in ids)
    found = (one.household_id for one in asked if recommend(bundle, one, bundle.decided_at)["offers"])
    return next(found, ids[0] if ids else "1")


def _issuable(ledger: Ledger, bundle: Bundle) -> tuple[int, tuple[int, ...]] | None:
    """A household, and (coupon, value, product) that it could be issued now."""
    now = ledger.now()
    offers = ledger.database.read(lambda tx: tx.all(OFFERS, now=now))
    consenting = (
        household
        for household, may in zip(
            bundle.content.household_ids.tolist(), bundle.content.household_consent.tolist(), strict=True
        )
        if may
    )
    tried = ((household, offer) for household in islice(consenting, MOST_TRIED) for offer in offers)
    return next((one for one in tried if ledger.could_issue(one[0], one[1][0])), None)
