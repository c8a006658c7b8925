"""Texts that meet a column's rules, and texts that break one of them."""

from __future__ import annotations

import re

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from coupon_pipeline.contracts.contract import Contract, Rule

IN_SET = "expect_column_values_to_be_in_set"
MATCH = "expect_column_values_to_match_regex"
LENGTHS = "expect_column_value_lengths_to_be_between"
ABOUT_TEXT = (IN_SET, MATCH, LENGTHS)
PRINTED = st.characters(min_codepoint=32, max_codepoint=126)
SEARCH = settings(
    derandomize=True,
    database=None,
    max_examples=20,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def meets(rule: Rule, text: str) -> bool:
    """Whether a text meets a rule about text."""
    kwargs = rule.kwargs
    if rule.expectation == IN_SET:
        return text in kwargs["value_set"]
    if rule.expectation == MATCH:
        return re.search(kwargs["regex"], text) is not None
    return kwargs.get("min_value", 0) <= len(text) <= kwargs.get("max_value", len(text))


def good_texts(contract: Contract, column: str) -> list[str]:
    """A few texts that meet all rules of a column; raises ValueError, naming the rules, where none is found."""
    rules = rules_of(contract, column)
    listed = next((list(rule.kwargs["value_set"]) for rule in rules if rule.expectation == IN_SET), None)
    pattern = next((rule.kwargs["regex"] for rule in rules if rule.expectation == MATCH), None)
    if listed is None and pattern is not None:
        listed = _matching(pattern)
    if listed is None:
        length = next((rule for rule in rules if rule.expectation == LENGTHS), None)
        low, high = (0, 12) if length is None else (length.kwargs.get("min_value", 0), length.kwargs.get("max_value"))
        listed = [f"{word:<{low}}"[:high].replace(" ", "x") for word in ("DAIRY", "Äpfel & Co", "a,b;c", "O'Brien")]
    good = [text for text in listed if all(meets(rule, text) for rule in rules)]
    if not good:
        raise ValueError(f"{contract.name}: no text meets {', '.join(rule.id for rule in rules)} together")
    return good


def bad_texts(contract: Contract, column: str, rule: Rule) -> dict[str, str]:
    """Texts, with what is wrong in words, that break a rule, and if possible no other of the column."""
    kwargs, good = rule.kwargs, good_texts(contract, column)
    tries: dict[str, list[str]] = {}
    if rule.expectation == IN_SET:
        tries = {"another value": ["none such"], "other case": [good[0].swapcase()]}
    elif rule.expectation == LENGTHS:
        if kwargs.get("min_value", 0) > 0:
            tries["too short"] = [good[0][: kwargs["min_value"] - 1]]
        if kwargs.get("max_value") is not None:
            tries["too long"] = [(good[0] or "x").ljust(kwargs["max_value"] + 1, (good[0] or "x")[-1])]
    else:
        strange = [good[0][:-1] + "~", "~" + good[0][1:], "~", good[0] + good[0]]
        tries = {"another form": sorted(strange, key=lambda text: _others(contract, column, rule, text))}
    found = {how: [text for text in texts if not meets(rule, text)] for how, texts in tries.items()}
    return {how: texts[0] for how, texts in found.items() if texts}


def rules_of(contract: Contract, column: str) -> list[Rule]:
    """The rules about the text of a column."""
    return [rule for rule in contract.rules if rule.columns == (column,) and rule.expectation in ABOUT_TEXT]


def _others(contract: Contract, column: str, broken: Rule, text: str) -> int:
    return sum(not meets(rule, text) for rule in rules_of(contract, column) if rule != broken)


def _matching(pattern: str) -> list[str]:
    found: set[str] = set()

    @SEARCH
    @given(st.from_regex(pattern, fullmatch=True, alphabet=PRINTED))
    def collect(text: str) -> None:
        found.add(text)

    collect()
    return sorted(found)[:7]
