"""`make audit`: recomputes every balance of the ledger from its facts and says whether the books close."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from coupon_pipeline.commands.outcome import OUT, VERDICTS
from coupon_pipeline.files import write_text
from coupon_pipeline.ledger.audit import Check, audit
from coupon_pipeline.ledger.statement import Database


def show_audit(database: Database, console: Console, folder: Path = OUT) -> bool:
    """Print all checks and write them to `<folder>/audit.json`; returns whether all passed. Raises UnavailableError."""
    with console.status("[bold]audit[/]"):
        checks = audit(database)
    write_text(folder / "audit.json", json.dumps([asdict(check) for check in checks], indent=2) + "\n")
    _print(checks, console)
    broken = sum(not check.passed for check in checks)
    told = (
        "the books close"
        if not broken
        else f"the books do not close: {broken} of {len(checks)} checks failed, see docs/operate.md"
    )
    console.print(told, highlight=False, soft_wrap=True)
    return not broken


def _print(checks: Sequence[Check], console: Console) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("must be 0")
    for name in ("rows", "cents"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for check in checks:
        table.add_row(check.name, f"{check.value:,}", f"{check.cents:,}", VERDICTS[check.passed])
    console.print(table)
