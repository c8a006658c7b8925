"""What the parts of a contract have in common: known keys, custom properties, the words of a bound."""

from __future__ import annotations

from typing import Any

from coupon_pipeline.contracts.contract import ContractError
from coupon_pipeline.documents import Located


def only(item: Located, known: str, where: str) -> None:
    """Refuse a key that has no meaning here; `known` are the others, with spaces between."""
    unknown = sorted(str(key) for key in set(item) - set(known.split()))
    if unknown:
        raise ContractError(
            f"{item.at(unknown[0])}: {where} has {', '.join(unknown)}, which this pipeline has no rule for: remove it"
        )


def given(item: Located, known: str, where: str) -> dict[str, Any]:
    """The custom properties of a part, by name; raises ContractError for one that is unknown."""
    found: dict[str, Any] = {}
    for custom in item.get("customProperties", []):
        if custom["property"] not in known.split():
            raise ContractError(
                f"{custom.at('property')}: {where} has the custom property {custom['property']}, which this pipeline "
                f"has no meaning for: use one of {', '.join(known.split())}"
            )
        if custom["property"] in found:
            raise ContractError(f"{custom.at('property')}: {where} has {custom['property']} twice: remove one")
        found[custom["property"]] = custom["value"]
    return found


def span(low: float | None, high: float | None) -> str:
    """The words of inclusive bounds."""
    if low is None:
        return f"at most {high}"
    return f"at least {low}" if high is None else f"from {low} to {high}"
