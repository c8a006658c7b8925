"""What cannot be granted is refused by name, with the field and what to do, and a guess never pays."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.serving.asking import NEVER_ISSUED, basket, issue, issued, key, place
from tests.serving.conftest import Server
from tests.serving.test_guard import is_problem
from tests.serving.world import BOUND, FUSSY, OVER, PLAIN, SOON, VALUE, spoilt
from tests.snapshot.factory import UNCONSENTED


@pytest.fixture(scope="module")
def spent(server: Server) -> dict[str, str]:
    return spoilt(server.settings)


def test_an_unknown_code_and_one_that_cannot_be_any_get_the_same_answer(server: Server) -> None:
    told = set()
    for code in (NEVER_ISSUED, NEVER_ISSUED[:-1] + "0", "", "x", "é" * 17, "1" * 3000, "\0" * 17, "'; drop table"):
        reply = server.coupons("store-8", "redeem", basket(code), key())
        assert is_problem(reply, 404, "unknown_code")
        told.add(json.dumps(reply.json))
    assert len(told) == 1


def test_whoever_guesses_has_to_wait_and_nobody_else(server: Server) -> None:
    code = issued(server)
    replies = [server.coupons("guesser", "validate", place(NEVER_ISSUED)) for _ in range(10)]
    replies += [server.coupons("guesser", "hold", place("nonsense"), key()) for _ in range(11)]
    assert [reply.status for reply in replies] == [404] * 20 + [429]
    refused = server.coupons("guesser", "validate", place(code))
    assert is_problem(refused, 429, "too_many_guesses")
    assert 0 < int(refused.headers["retry-after"]) <= 10
    assert server.coupons("store-7", "validate", place(code)).status == 200


def test_what_is_past_its_use_is_refused_by_name(server: Server, spent: dict[str, str]) -> None:
    wanted = {"expired": "expired", "void": "void", "redeemed": "already_redeemed", "soon": "not_yet_valid"}
    for name, code in wanted.items():
        for reply in (
            server.coupons("store-7", "redeem", basket(spent[name]), key()),
            server.coupons("store-7", "validate", place(spent[name])),
        ):
            assert is_problem(reply, 409, code)
            assert reply.json["errors"][0]["field"] == "code"


REFUSED: list[tuple[int, dict[str, Any], int, str, str]] = [
    (PLAIN, {"discount": VALUE + 1}, 422, "over_face_value", "discount_cents"),
    (PLAIN, {"lines": [{"product_id": "1", "quantity": 1, "gross_cents": 10}]}, 422, "over_basket_value", "disc"),
    (FUSSY, {"lines": []}, 422, "minimum_quantity", "lines"),
    (FUSSY, {"lines": [{"product_id": "9", "quantity": 9, "gross_cents": 999}]}, 422, "minimum_quantity", "lines"),
    (FUSSY, {"lines": [{"product_id": "x", "quantity": 9, "gross_cents": 999}]}, 422, "minimum_quantity", "lines"),
    (FUSSY, {"lines": [{"product_id": "7", "quantity": 2, "gross_cents": 299}]}, 422, "minimum_spend", "lines"),
    (BOUND, {}, 422, "household_required", "household_id"),
    (BOUND, {"household_id": "6"}, 409, "wrong_household", "household_id"),
    (BOUND, {"household_id": "nobody"}, 409, "wrong_household", "household_id"),
]


@pytest.mark.parametrize(("coupon", "changes", "status", "code", "field"), REFUSED)
def test_a_basket_that_does_not_fit_is_refused_by_name(
    server: Server, coupon: int, changes: dict[str, Any], status: int, code: str, field: str
) -> None:
    reply = server.coupons("store-7", "redeem", basket(issued(server, coupon), **changes), key())
    assert is_problem(reply, status, code)
    assert reply.json["errors"][0]["field"].startswith(field)


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        (issue(household=str(UNCONSENTED)), 403, "no_consent", "household_id"),
        (issue(household="nobody"), 403, "no_consent", "household_id"),
        (issue(household="007"), 403, "no_consent", "household_id"),
        (issue(coupon=12345), 404, "unknown_coupon", "coupon_id"),
        (issue() | {"coupon_id": "none"}, 404, "unknown_coupon", "coupon_id"),
        (issue(coupon=OVER), 409, "expired", "coupon_id"),
        (issue(coupon=70), 409, "campaign_closed", "coupon_id"),
        (issue(coupon=80), 409, "coupon_cap", "coupon_id"),
    ],
)
def test_what_may_not_be_issued_is_refused_by_name(
    server: Server, body: dict[str, Any], status: int, code: str, field: str
) -> None:
    reply = server.coupons("shop", "issue", body, key())
    assert is_problem(reply, status, code)
    assert reply.json["errors"][0]["field"] == field


def test_a_live_coupon_of_the_category_and_a_cap_are_named(server: Server) -> None:
    code = issued(server, coupon=90, household="7")
    assert is_problem(server.coupons("shop", "issue", issue(90, "7"), key()), 409, "category_taken")
    server.coupons("office", "void", {"code": code}, key())
    assert is_problem(server.coupons("shop", "issue", issue(90, "7"), key()), 409, "household_cap")


def test_a_coupon_may_be_issued_before_it_is_good(server: Server) -> None:
    code = issued(server, coupon=SOON)
    assert is_problem(server.coupons("store-7", "validate", place(code)), 409, "not_yet_valid")


@pytest.mark.parametrize("amount", [-1, 10**9 + 1, 10**30, 0.5, 50.0, "50", True, None, [50]])
def test_an_amount_is_a_whole_number_of_cents_that_is_not_negative(server: Server, amount: Any) -> None:
    reply = server.coupons("store-7", "redeem", basket(NEVER_ISSUED, amount), key())
    assert is_problem(reply, 400, "invalid")
    assert reply.json["errors"][0]["field"] == "discount_cents"


def test_the_longest_basket_fits_and_one_more_line_does_not(server: Server) -> None:
    line = {"product_id": "p" * 64, "quantity": 10_000, "gross_cents": 10**9}
    ids = dict.fromkeys(("store_id", "till_id", "basket_id"), "i" * 64)
    assert is_problem(server.coupons("store-8", "redeem", basket("", lines=[line] * 200, **ids), key()), 404)
    reply = server.coupons("store-8", "redeem", basket("", lines=[line] * 201, **ids), key())
    assert is_problem(reply, 400, "invalid")
    assert reply.json["errors"][0]["field"] == "lines"


@pytest.mark.parametrize("body", [{}, {"code": NEVER_ISSUED, "issue_id": "1"}, {"code": None, "issue_id": None}])
def test_void_takes_a_code_or_an_id(server: Server, body: dict[str, Any]) -> None:
    assert is_problem(server.coupons("office", "void", body, key()), 400, "invalid")
