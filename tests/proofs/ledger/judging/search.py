"""Whether an order of overlapping attempts explains every answer (the search of Wing and Gong, with Lowe's memory).

Attempt b may follow a in that order unless b had returned before a was called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tests.proofs.ledger.judging.history import Attempt
from tests.proofs.ledger.judging.model import EMPTY, Step, World, after
from tests.proofs.ledger.judging.told import FOREVER

MOST_NODES: Final = 100_000
"""Worlds that are looked at before an answer is given up."""
NODES_OF_A_REPORT: Final = 300


class TooHardError(Exception):
    """The search took too many steps to say."""


Accepts = Callable[[World], bool]


@dataclass(frozen=True)
class _Order:
    """Steps by the time of their call, as bits of a number: those that are done."""

    steps: Sequence[Step]
    accepts: Accepts

    def is_done(self, done: int) -> bool:
        """Whether all that must have happened has."""
        return all(step.is_optional or done >> number & 1 for number, step in enumerate(self.steps))

    def open(self, done: int) -> list[int]:
        """Steps that may come next, those that must have happened first."""
        found, first_return = [], FOREVER
        first_undone = (~done & (done + 1)).bit_length() - 1
        for number in range(first_undone, len(self.steps)):
            step = self.steps[number]
            if step.attempt.called > first_return:
                break
            if done >> number & 1:
                continue
            found.append(number)
            if not step.is_optional:
                first_return = min(first_return, step.returned)
        open_ones = [number for number in found if self.steps[number].attempt.called <= first_return]
        return sorted(open_ones, key=lambda number: (self.steps[number].is_optional, self.steps[number].returned))

    def settled(self, done: int, world: World) -> int:
        """With all done that changes nothing and is right as things are: that can never be in the way later."""
        while True:
            for number in self.open(done):
                step = self.steps[number]
                if not step.is_optional and after(world, step) == [world]:
                    done |= 1 << number
                    break
            else:
                return done

    def next(self, done: int, world: World) -> list[tuple[int, World]]:
        """All that may come next, the likeliest last."""
        found = []
        for number in self.open(done):
            worlds = after(world, self.steps[number])
            found += [(done | 1 << number, changed) for changed in worlds if changed != world]
        return found[::-1]


def explains(steps: Sequence[Step], accepts: Accepts = lambda world: True, most_nodes: int = MOST_NODES) -> bool:
    """Whether an order exists at whose end the world is accepted. Raises TooHardError."""
    order = _Order(sorted(steps, key=lambda step: step.attempt.called), accepts)
    waiting, seen = [(0, EMPTY)], set()
    while waiting:
        done, world = waiting.pop()
        done = order.settled(done, world)
        if (done, world) in seen:
            continue
        seen.add((done, world))
        if len(seen) > most_nodes:
            raise TooHardError
        if order.is_done(done) and accepts(world):
            return True
        waiting += order.next(done, world)
    return False


def core(steps: Sequence[Step], accepts: Accepts | None) -> list[Attempt]:
    """The fewest answers that contradict each other (or what `accepts`), whatever the other attempts have done, or not.

    They are the fewest as far as that is found out in reasonable time.
    """
    kept = list(steps) if accepts else _first_contradiction(steps)
    for number, step in enumerate(kept):
        if step.is_optional or step.attempt.operation in {"withdraw", "erase"}:
            continue
        loosened = [*kept]
        loosened[number] = loose(step)
        if _contradict(loosened, accepts):
            kept = loosened
    return [step.attempt for step in kept if not step.is_optional]


def _first_contradiction(steps: Sequence[Step]) -> list[Step]:
    """What was known when the first answer came that contradicts those before it."""
    ends = sorted(step.returned for step in steps if not step.is_optional)
    first, last = 0, len(ends) - 1
    while first < last:
        middle = (first + last) // 2
        first, last = (first, middle) if _contradict(_until(steps, ends[middle]), None) else (middle + 1, last)
    return _until(steps, ends[last])


def _until(steps: Sequence[Step], instant: int) -> list[Step]:
    called = (step for step in steps if step.attempt.called <= instant)
    return [step if step.is_optional or step.returned <= instant else loose(step) for step in called]


def _contradict(steps: Sequence[Step], accepts: Accepts | None) -> bool:
    try:
        return not explains(steps, accepts or (lambda world: True), NODES_OF_A_REPORT)
    except TooHardError:
        return False


def loose(step: Step) -> Step:
    """The step as if nobody had heard what became of it."""
    silent = replace(step.attempt, answer=None, refusal=None, returned=None)
    return replace(step, attempt=silent, returned=FOREVER, latest=FOREVER, at=None, is_optional=True)
