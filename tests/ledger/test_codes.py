"""Codes: typed as people type, checked for slips, made again from the issue's number."""

from __future__ import annotations

import random
import re
import string
import time

from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.ledger.codes import (
    ALPHABET,
    CHECK_ALPHABET,
    code_of,
    lookup_digest,
    normalized,
)
from coupon_pipeline.ledger.keys import Keys

KEY, OTHER = Keys.random().newest, Keys.random().newest
ISSUES = st.integers(min_value=0, max_value=2**63 - 1)
PRINTED = re.compile(rf"[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}-[{ALPHABET}]{{5}}")


def check_symbol(text: str) -> str:
    """ISO 7064 MOD 37,36, as the standard's text has it."""
    product = 36
    for symbol in text:
        total = (product + CHECK_ALPHABET.index(symbol)) % 36
        product = (total or 36) * 2 % 37
    return CHECK_ALPHABET[(37 - product) % 36]


def bare(issue_id: int) -> str:
    return code_of(KEY, issue_id).replace("-", "")


@given(ISSUES)
def test_a_code_is_four_groups_that_read_back_as_themselves(issue_id: int) -> None:
    code = code_of(KEY, issue_id)
    assert PRINTED.fullmatch(code)
    assert normalized(code) == code.replace("-", "")
    assert code[-1] == check_symbol(code.replace("-", "")[:-1])


def test_the_check_symbol_is_that_of_the_standard() -> None:
    assert check_symbol("A12425GABC1234002") == "M"  # the example of the Global Release Identifier
    accepted = [symbol for symbol in CHECK_ALPHABET if normalized("A12425GABC123400" + symbol) is not None]
    assert accepted == [symbol for symbol in ALPHABET if symbol == check_symbol("A12425GABC123400")]


@given(ISSUES)
def test_the_same_key_and_issue_give_the_same_code_and_others_another(issue_id: int) -> None:
    assert code_of(KEY, issue_id) == code_of(KEY, issue_id)
    assert len({code_of(KEY, issue_id), code_of(OTHER, issue_id), code_of(KEY, issue_id + 1 & 2**63 - 1)}) == 3


def test_a_code_without_its_digest_key_is_not_found() -> None:
    code = bare(7)
    assert lookup_digest(KEY, code) == lookup_digest(KEY, code)
    assert len(lookup_digest(KEY, code)) == 16
    assert lookup_digest(KEY, code) not in {lookup_digest(OTHER, code), lookup_digest(KEY, bare(8))}


def test_case_spaces_and_dashes_do_not_matter_and_lookalikes_are_read_as_digits() -> None:
    code = next(code for code in map(bare, range(1000)) if "1" in code[:16] and "0" in code[:16])
    one, zero = code.index("1"), code.index("0")
    for typed in (
        code.lower(),
        f"{code[:8]} {code[8:]}",
        f"-{code[:5]}--{code[5:]} ",
        code[:one] + "I" + code[one + 1 :],
        code[:one] + "l" + code[one + 1 :],
        code[:zero] + "O" + code[zero + 1 :],
        code[:zero] + "o" + code[zero + 1 :],
    ):
        assert normalized(typed) == code, typed


def test_what_cannot_be_a_code_is_none() -> None:
    code = bare(1)
    for typed in (
        "",
        code[:-1],
        code + "0",
        code[:-1] + "U",
        "-" * 8 + code,
        " " * 20,
        code[:-1] + "é",
        code[:3] + "\0" + code[4:],
        code[:3] + "_" + code[3:],
        "\ud800" + code[1:],
        "１" + code[1:],
    ):
        assert normalized(typed) is None, typed


@given(st.text(alphabet=string.printable, max_size=30) | st.text(max_size=30))
def test_any_text_is_a_whole_code_or_none(text: str) -> None:
    found = normalized(text)
    assert found is None or (len(found) == 17 and found[-1] == check_symbol(found[:-1]))
    assert found is None or normalized(found) == found


def test_every_mistyped_symbol_is_caught() -> None:
    """All substitutions of a symbol by another one, in 200 codes: 105,400."""
    passed = 0
    for code in map(bare, range(200)):
        for at, right in enumerate(code):
            passed += sum(
                normalized(code[:at] + wrong + code[at + 1 :]) is not None for wrong in ALPHABET if wrong != right
            )
    assert passed == 0


def test_nearly_every_swap_of_neighbours_is_caught() -> None:
    """Not all: MOD 37,36 misses some; measured 0.17 %."""
    swaps = [
        code[:at] + code[at + 1] + code[at] + code[at + 2 :]
        for code in map(bare, range(2000))
        for at in range(16)
        if code[at] != code[at + 1]
    ]
    passed = sum(normalized(swap) is not None for swap in swaps)
    assert 0 < passed / len(swaps) < 0.004


def test_one_in_about_thirty_five_random_texts_has_a_right_check_symbol() -> None:
    draw = random.Random(1)
    passed = sum(normalized("".join(draw.choices(ALPHABET, k=17))) is not None for _ in range(20_000))
    assert 1 / 40 < passed / 20_000 < 1 / 31


def test_symbols_are_evenly_spread() -> None:
    """Chi squared with 31 degrees of freedom, per position; the bound holds for all 16 but once in 10,000 runs."""
    drawn = Keys.random().newest
    codes = [code_of(drawn, n).replace("-", "") for n in range(4000)]
    for at in range(16):
        counts = [sum(code[at] == symbol for code in codes) for symbol in ALPHABET]
        assert sum((count - 125) ** 2 / 125 for count in counts) < 85


def test_a_hundred_thousand_codes_with_their_digests_take_no_time_that_matters() -> None:
    began = time.process_time()
    digests = {lookup_digest(KEY, bare(n)) for n in range(100_000)}
    assert len(digests) == 100_000
    assert time.process_time() - began < 5
