"""`make quarantine`: which rows wait, why and for whom, and on demand lets in again those that pass by now."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assets.clean import delivered
from assets.digests import Digests
from assets.pipeline import Pipeline

from coupon_pipeline.commands.failed import FailedRunError
from coupon_pipeline.commands.outcome import OUT
from coupon_pipeline.commands.run import RANGE_END, RANGE_START, Jobs
from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.contract import Contract, ContractError
from coupon_pipeline.contracts.judging.published import (
    is_refused,
    surroundings,
)
from coupon_pipeline.contracts.mending.piles import Pile, came, piles
from coupon_pipeline.contracts.mending.replaying import (
    RefusedReplayError,
    let_in,
    passing,
)
from coupon_pipeline.contracts.mending.waiting import WEEK, waiting
from coupon_pipeline.definitions import build
from coupon_pipeline.files import write_text

WIDTH = 100
"""Characters of a line where the output is no terminal."""


@dataclass(frozen=True)
class Wanted:
    """The rows that are asked for: of one table, rule or week, or of all."""

    table: str | None = None
    rule: str | None = None
    week: str | None = None

    def contracts(self, pipeline: Pipeline) -> list[Contract]:
        """The contracts of its tables; raises ContractError or UnknownWeekError naming what there is."""
        delivered = pipeline.source.tables()
        if self.table is not None and self.table not in delivered:
            raise ContractError(f"no table {self.table!r}: give one of {', '.join(sorted(delivered))}")
        if self.week is not None:
            pipeline.source.calendar.check(self.week)
        found = [reader.load(name) for name in sorted(delivered) if self.table in (None, name)]
        rules = {rule.id for contract in found for rule in contract.rules if rule.action != "warn"}
        if self.rule is None or self.rule in rules:
            return found
        # Rows may wait by a rule that their contract has given up.
        if any(waiting(pipeline.store, contract, self.week, self.rule).num_rows for contract in found):
            return found
        raise ContractError(f"no rule {self.rule!r} sets rows aside: give one of {', '.join(sorted(rules))}")

    def among(self, rows: pa.Table) -> np.ndarray:
        """Which waiting rows of one of its tables are asked for, bool."""
        broken = zip(rows[WEEK].to_pylist(), rows["_rule"].to_pylist(), strict=True)
        found = [self.week in (None, week) and self.rule in (None, *rules.split(",")) for week, rules in broken]
        return np.array(found, bool)

    @property
    def options(self) -> str:
        """The variables that ask `make quarantine` for the same."""
        return "".join(f" {name.upper()}={value}" for name, value in asdict(self).items() if value is not None)


def quarantine(pipeline: Pipeline, wanted: Wanted, limit: int, console: Console, folder: Path = OUT) -> list[Pile]:
    """Print what waits, at most `limit` piles, the largest first, and write all to `<folder>/quarantine.json`.

    Raises ContractError or UnknownWeekError for a table, rule or week that is not there.
    """
    contracts, store = wanted.contracts(pipeline), pipeline.store
    found: list[Pile] = []
    held = 0
    with console.status("") as status:
        for contract in contracts:
            status.update(f"[bold]quarantine/{contract.name}[/]")
            rows = waiting(store, contract, wanted.week, wanted.rule)
            held += rows.num_rows
            found += piles(store, contract, rows, wanted.rule)
    found.sort(key=lambda pile: (-pile.rows, pile.table, pile.rule))
    path = folder / "quarantine.json"
    write_text(path, json.dumps([asdict(pile) for pile in found], indent=2, ensure_ascii=False) + "\n")
    weeks = pipeline.source.calendar.weeks if wanted.week is None else (wanted.week,)
    _print(found[:limit], len(found), console)
    _print_sum(held, sum(came(store, contract.name, weeks) for contract in contracts), wanted, path, console)
    return found


def replay(pipeline: Pipeline, wanted: Wanted, instance: dg.DagsterInstance, console: Console) -> int:
    """Let the rows that pass by now into the newest week, and judge that week again; returns how many rows.

    Raises FailedRunError with one line per table whose newest week takes none in.
    """
    week = pipeline.source.calendar.weeks[-1]
    total, refused = 0, []
    jobs = Jobs(build(pipeline), instance, console)
    for contract in wanted.contracts(pipeline):
        _try_again(pipeline, contract, wanted, jobs)
        with console.status(f"[bold]quarantine/{contract.name}[/]"):
            try:
                count, of = _let_in(pipeline, contract, wanted, week)
            except RefusedReplayError as error:
                refused.append(str(error))
                continue
        if count:
            total += count
            console.print(f"[bold]replay[/]  {count:,} of {of:,} rows of {contract.name}, as known in {week}")
            keys = [dg.AssetKey([pipeline.source.name, layer, contract.name]) for layer in ("clean", "quarantine")]
            tags = {RANGE_START: week, RANGE_END: week}
            jobs.execute("backfill", asset_selection=keys, tags=tags)
    if refused:
        raise FailedRunError("; ".join(refused))
    told = f"{total:,} rows are let in: [bold]make run[/] decides with them" if total else "No waiting row passes yet"
    console.print(told, highlight=False)
    return total


def _try_again(pipeline: Pipeline, contract: Contract, wanted: Wanted, jobs: Jobs) -> None:
    """Land and judge weeks anew that were not fit to use: what is corrected within a database shows in no digest."""
    store, digests = pipeline.store, Digests(pipeline)
    gaps = set(store.gaps(contract.name, pipeline.source.calendar.weeks[-1]))
    for week in pipeline.source.calendar.weeks:
        asked = wanted.week in (None, week) and store.path("raw", contract.name, week).exists()
        if not asked or not (week in gaps or is_refused(store, contract, week, digests.clean(contract.name, week))):
            continue
        jobs.console.print(f"[bold]again[/]   {contract.name} of {week}, which was not fit to use")
        layers = ("raw", "clean", "quarantine")
        keys = [dg.AssetKey([pipeline.source.name, layer, contract.name]) for layer in layers]
        jobs.execute("backfill", asset_selection=keys, tags={RANGE_START: week, RANGE_END: week})


def _let_in(pipeline: Pipeline, contract: Contract, wanted: Wanted, week: str) -> tuple[int, int]:
    """Add the rows that pass to the replays of a week; returns how many pass, that week's included, and of how many."""
    store = pipeline.store
    rows = waiting(store, contract)
    chosen = wanted.among(rows)
    if not chosen.any():
        return 0, 0
    for layer, what in (("raw", "landed"), ("clean", "published")):
        if not store.path(layer, contract.name, week).exists():
            raise RefusedReplayError(
                f"{contract.name}: week {week} is not {what}, so no row is let in: `make run` first"
            )
    beside = surroundings(store, contract, [week])
    found = passing(contract, rows, chosen, week, delivered(store, contract.name, week), beside)
    if found.rows.num_rows:
        let_in(store, contract.name, week, found.rows)
    return found.rows.num_rows + found.own, int(chosen.sum())


def _print(shown: Sequence[Pile], count: int, console: Console) -> None:
    if not shown:
        return
    table = Table(box=None, padding=(0, 2, 1, 0), pad_edge=False)
    table.add_column("table\nrule", overflow="fold", max_width=25)
    table.add_column("rows\nshare", justify="right", no_wrap=True)
    table.add_column("first week\nlast week", no_wrap=True)
    table.add_column("example\nfrom", overflow="fold", ratio=1)
    table.add_column("what to do", overflow="fold", ratio=1)
    for pile in shown:
        record = "" if pile.source_row is None else f", record {pile.source_row:,}"
        origin = "" if pile.source_file is None else f"{pile.source_file}{record}"
        no_key = f"\n{pile.no_key:,} no key" if pile.no_key else ""
        cells = (
            f"{pile.table}\n{pile.rule}",
            f"{pile.rows:,}\n{pile.share:.2%}{no_key}",
            f"{pile.first_week}\n{pile.last_week}",
            f"{pile.example}\n{origin}",
            pile.todo,
        )
        table.add_row(*map(escape, cells))
    wide = console if console.is_terminal or console.width >= WIDTH else Console(file=console.file, width=WIDTH)
    wide.print(table)
    if count > len(shown):
        console.print(f"{count - len(shown)} more: LIMIT={count}", highlight=False)


def _print_sum(held: int, all_rows: int, wanted: Wanted, path: Path, console: Console) -> None:
    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    if not held:
        say(f"Nothing waits: of {all_rows:,} rows that came, each is clean or has a key that is")
        return
    say(f"{held:,} rows wait, {held / max(all_rows, 1):.3%} of the {all_rows:,} that came; the list is in {path}")
    say(
        f"Next: [bold]make quarantine{wanted.options} REPLAY=1[/] lets in what passes by now; "
        "what the source sends again comes in with [bold]make run[/]"
    )
