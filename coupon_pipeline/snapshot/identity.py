"""The identity of a decision, the same in the batch records and in the service's answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def decision_id(source: str, week: str, household_id: int, coupon_id: int, policy_version: str) -> str:
    """32 hex digits of the SHA-256 over source, cycle, household, coupon and policy version."""
    text = f"{source}|{week}|{household_id}|{coupon_id}|{policy_version}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def decision_ids(
    source: str, week: str, household_ids: Iterable[int], coupon_ids: Iterable[int], policy_version: str
) -> list[str]:
    """`decision_id` of each pair of two equally long sequences; raises ValueError if their lengths differ."""
    pairs = zip(household_ids, coupon_ids, strict=True)
    return [decision_id(source, week, household, coupon, policy_version) for household, coupon in pairs]
