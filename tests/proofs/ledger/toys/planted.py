"""The toy with one classical defect each: a checker that misses any of them is not to be believed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.proofs.ledger.toys import races, rules
from tests.proofs.ledger.toys.toy import Toy

PLANTED: Final[Mapping[type[Toy], frozenset[str]]] = {
    races.CheckThenAct: frozenset({"double", "unexplained"}),
    races.KeyReadFirst: frozenset({"unexplained"}),
    races.MissingUniqueIndex: frozenset({"answer"}),
    races.UnescrowedBudget: frozenset({"limit"}),
    races.CapByCount: frozenset({"cap"}),
    races.HouseholdCapByCount: frozenset({"cap"}),
    races.CategoryNotUnique: frozenset({"cap"}),
    races.ConsentReadBefore: frozenset({"unexplained"}),
    races.NonAtomicOutbox: frozenset({"difference"}),
    races.HalfRedemption: frozenset({"difference", "unexplained"}),
    races.AnswerBeforeCommit: frozenset({"lost"}),
    rules.ReverseKeepsSpent: frozenset({"unexplained", "difference"}),
    rules.GivesBackTwice: frozenset({"double", "unexplained"}),
    rules.NoTombstone: frozenset({"unexplained"}),
    rules.RevivesUnwanted: frozenset({"unexplained"}),
    rules.AnswersAnew: frozenset({"answer"}),
    rules.IgnoresParameters: frozenset({"unexplained"}),
    rules.EdgeOfExpiry: frozenset({"unexplained"}),
    rules.HoldIgnored: frozenset({"unexplained"}),
    rules.VoidsWhatIsSpent: frozenset({"unexplained", "difference"}),
    rules.RefusesAfterWriting: frozenset({"difference", "unexplained"}),
    rules.StaleRead: frozenset({"unexplained"}),
    rules.ReleasesTwice: frozenset({"limit"}),
    rules.ToldTwice: frozenset({"difference"}),
}
"""Defect -> as what it shows."""
