"""The truth in closed form, held against twin worlds under common random numbers."""

from __future__ import annotations

import numpy as np
import pytest

from tests.simulation.agreement import Agreement, agreement
from tests.simulation.worlds import spec, state_at

from coupon_pipeline.simulation.living import World
from coupon_pipeline.simulation.state import State
from coupon_pipeline.simulation.truth.effects import Effects, NoClosedFormError, effects
from coupon_pipeline.simulation.truth.twins import twins

REPLICATES = 200


@pytest.fixture(scope="module")
def world() -> World:
    return World(spec(households=1_000, stores=4, products=3_000, categories=60, warmup_weeks=8), threads=2)


@pytest.fixture(scope="module")
def state(world: World) -> State:
    return state_at(world, 6)


@pytest.fixture(scope="module")
def found(world: World, state: State) -> Effects:
    return effects(world, state, world.wave(6))


@pytest.fixture(scope="module")
def best(world: World, state: State, found: Effects) -> Agreement:
    return agreement(world, state, found, REPLICATES)


def test_the_closed_form_has_the_slope_of_the_twins_on_an_assignment_that_selects_on_it(best: Agreement) -> None:
    assert 0.8 < best.slope < 1.1


def test_quintiles_keep_their_order_and_every_clear_sign_agrees(best: Agreement) -> None:
    assert best.out_of_order == 0
    assert best.wrong_signs == 0


def test_the_scale_is_that_of_coupons_that_mostly_give_money_away(found: Effects) -> None:
    assert abs(found.margin.mean()) < 1
    assert 0.2 < (found.margin > 0).mean() < 0.5
    assert 0.005 < found.redemption.mean() < 0.03
    assert np.all((found.redemption >= 0) & (found.redemption <= 1))
    assert np.all(found.payout >= 0)


def test_the_expected_payout_is_what_tills_take_off(world: World, state: State, found: Effects) -> None:
    faces = world.wave(6).face_cents
    assert np.all(found.payout <= found.redemption * faces * (1 + 1e-9))


def test_a_form_without_a_closed_form_says_so() -> None:
    other = World(spec(form="fatigue"))
    with pytest.raises(NoClosedFormError, match=r"truth\.twins"):
        effects(other, state_at(other, 2), other.wave(2))


@pytest.mark.parametrize("form", ["stockpile", "fatigue"])
def test_twins_tell_the_truth_of_any_form_with_its_error(form: str) -> None:
    other = World(spec(form=form), threads=2)
    state = state_at(other, 2)
    households = np.arange(len(state.active))
    measured = twins(other, state, households, households % 40, range(1, 5))
    total, error = measured.of_policy
    assert measured.difference.shape == (4, len(households))
    assert np.isfinite(total)
    assert error > 0
    assert np.any(measured.difference != 0)


def test_forms_respond_differently_to_the_same_coupons() -> None:
    totals = {}
    for form in ("logit", "stockpile", "fatigue"):
        other = World(spec(form=form), threads=2)
        state = state_at(other, 2)
        households = np.arange(len(state.active))
        totals[form] = twins(other, state, households, households % 40, range(1, 4)).of_policy[0]
    assert len(set(totals.values())) == 3
