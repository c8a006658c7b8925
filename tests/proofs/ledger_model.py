"""The ledger beside its model, at length and on both databases, and every planted defect caught."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.ledger.mutants import CAUGHT, MUTANTS, Mutant
from tests.ledger.paired import STEP
from tests.ledger.playing import SEED, Opened, on_postgresql, on_sqlite, play
from tests.ledger.servers import running
from tests.ledger.test_machine import EXAMPLES, OPERATIONS, unreached

from coupon_pipeline.commands.outcome import Outcome

LONG, SHORT = {"sqlite": 400, "postgresql": 60}, {"sqlite": 40, "postgresql": 4}
STEPS = 40


def rows(short: bool) -> Iterator[Outcome]:
    """Steps, requests granted by operation, disagreements with the model, defects that were caught."""
    examples = SHORT if short else LONG
    with TemporaryDirectory(prefix="model-") as name:
        folder = Path(name)
        with on_sqlite(folder) as fresh:
            yield from _played("sqlite", fresh, examples["sqlite"], short)
        with running(folder / "server") as server, on_postgresql(server) as fresh:
            yield from _played("postgresql", fresh, examples["postgresql"], short)
        mutants = MUTANTS[:4] if short else MUTANTS
        alive = [mutant.name for at, mutant in enumerate(mutants) if not _is_caught(mutant, folder / f"mutant-{at}")]
    yield Outcome("model: planted defects", len(mutants))
    yield Outcome("model: planted defects that went undetected", len(alive), op="<=", bar=0)
    for mutant_name in alive:
        yield Outcome("model: undetected", mutant_name)


def _played(database: str, fresh: Callable[[], Opened], examples: int, short: bool) -> Iterator[Outcome]:
    failed, reached = "", Counter[str]()
    try:
        reached = play(fresh, examples, steps=STEPS, start=SEED + 1)
    except Exception as error:
        failed = f"{type(error).__name__}: {error}".splitlines()[0]
    yield Outcome(f"model on {database}: steps", reached[STEP], op=">=", bar=examples * STEPS / 2)
    for operation in OPERATIONS:
        granted = f"model on {database}: {operation} granted"
        yield Outcome(granted, reached[f"{operation}: done"], op=None if short else ">=", bar=None if short else 1)
    if not short and database == "sqlite":
        yield Outcome(f"model on {database}: answers never given", len(unreached(reached)), op="<=", bar=0)
    yield Outcome(f"model on {database}: disagreements", int(bool(failed)), op="<=", bar=0)
    if failed:
        yield Outcome(f"model on {database}: the disagreement", failed)


def _is_caught(mutant: Mutant, folder: Path) -> bool:
    folder.mkdir()
    with on_sqlite(folder) as fresh, mutant.planted(fresh) as spoiled:
        try:
            play(spoiled, EXAMPLES["sqlite"], steps=STEPS, explain=False)
        except CAUGHT:
            return True
    return False
