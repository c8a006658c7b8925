"""Judges a history by itself, the terms and the books alone: it knows no ledger from inside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.proofs.ledger.judging.books import Books, differences, doubles
from tests.proofs.ledger.judging.history import Attempt
from tests.proofs.ledger.judging.limits import MONEY, passed, wrongly_refused
from tests.proofs.ledger.judging.search import TooHardError, core, explains
from tests.proofs.ledger.judging.spans import against_consent, refused_for_limits, spans
from tests.proofs.ledger.judging.stepping import Part, parts
from tests.proofs.ledger.judging.telling import lost, other_answers, unasked
from tests.proofs.ledger.judging.told import Told

KINDS = ("double", "lost", "answer", "unexplained", "limit", "cap", "difference")

SHOWN = 3
"""Contradictions that are cut down to the fewest answers, which takes a while."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that no correct ledger does."""

    kind: str
    """One of KINDS."""
    subject: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """All that is wrong."""

    findings: Sequence[Finding]

    def count(self, kind: str) -> int:
        """Findings of a kind."""
        return sum(finding.kind == kind for finding in self.findings)

    def report(self, most: int = SHOWN) -> str:
        """For a person: the first findings of each kind."""
        seen: Counter[str] = Counter()
        lines = []
        for finding in self.findings:
            seen[finding.kind] += 1
            if seen[finding.kind] <= most:
                lines.append(f"{finding.kind}: {finding.subject}: {finding.text}")
        return "\n".join([*lines, f"{len(self.findings)} findings: {dict(seen)}"])


def judge(history: Sequence[Attempt], told: Told, books: Books, shown: int = SHOWN) -> Verdict:
    """Whether some legal order of all operations explains every answer and the books.

    So many contradictions as `shown` says are cut down to the fewest answers.
    """
    return Verdict(list(_findings(history, told, books, shown)))


def _findings(history: Sequence[Attempt], told: Told, books: Books, shown: int) -> Iterator[Finding]:
    for issue_id, text in doubles(books):
        yield Finding("double", f"issue {issue_id}", text)
    for subject, text in lost(history, books):
        yield Finding("lost", subject, text)
    for subject, text in other_answers(history):
        yield Finding("answer", subject, text)
    for issue_id, text in (*differences(books), *unasked(history, books)):
        yield Finding("difference", f"issue {issue_id}", text)
    yield from _limits(history, told, books)
    for part in parts(history, told, books):
        for finding in _unexplained(part, shown > 0):
            shown -= 1
            yield finding


def _limits(history: Sequence[Attempt], told: Told, books: Books) -> Iterator[Finding]:
    found = spans(history, told, books)
    for (kind, whose), text in passed(found, told):
        yield Finding("limit" if kind in MONEY else "cap", f"{kind} {whose}", text)
    for attempt, text in wrongly_refused(refused_for_limits(history), found, told):
        yield Finding("answer", f"issue {attempt.client} {attempt.key}", text)
    for attempt, text in against_consent(history, told):
        yield Finding("cap", f"issue {attempt.client} {attempt.key}", text)


def _unexplained(part: Part, is_told: bool) -> Iterator[Finding]:
    """Whether no order explains a part; with `is_told` also the fewest answers that show it."""
    subject = f"issues {part.issues}"
    try:
        if explains(part.steps, part.accepts):
            return
        text = _contradiction(part) if is_told else f"no order explains its {len(part.steps)} attempts"
    except TooHardError:
        text = f"its {len(part.steps)} attempts are too many to judge"
    yield Finding("unexplained", subject, text)


def _contradiction(part: Part) -> str:
    try:
        is_alone = not explains(part.steps)
    except TooHardError:
        is_alone = False
    told = "\n  ".join(attempt.line().strip() for attempt in core(part.steps, None if is_alone else part.accepts))
    end = "" if is_alone else f"\n  and in the books {part.states}, {part.uses}"
    return f"no order explains\n  {told}{end}"
