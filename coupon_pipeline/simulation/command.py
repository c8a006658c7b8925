"""The command `simulate`: make the chain's history, let it live on, serve its CRM."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from urllib.parse import urlsplit

import pyarrow as pa
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from coupon_pipeline.settings import Settings
from coupon_pipeline.simulation import issuing
from coupon_pipeline.simulation.chain import Chain
from coupon_pipeline.simulation.records import WeekRecords
from coupon_pipeline.simulation.settings import open_chain
from coupon_pipeline.simulation.systems.serve import serve
from coupon_pipeline.simulation.systems.tills import Tills
from coupon_pipeline.simulation.waves import LIFE_WEEKS
from coupon_pipeline.sources.ledgered import (
    ORIGIN_FROM,
    latest,
    opened,
    there_is_a_ledger,
)
from coupon_pipeline.tables import read_parquet

CRM_URL = "http://127.0.0.1:8090"
"""Where the CRM is, unless COUPON_CRM_URL says otherwise: to the pipeline and to the CRM alike."""
RECORD, DECISIONS = ("ledger", "issues"), ("coupons", "coupon_assignments")
"""Layer and table of what the pipeline has issued, and of what it knows of each decision."""


def simulate(console: Console) -> Chain:
    """Bring the warm-up's weeks up to date, with a bar where that takes a while."""
    chain = open_chain()
    weeks = chain.spec.warmup_weeks
    if chain.next_week >= weeks and chain.is_current:
        return chain
    if not chain.is_current:
        _forget_coupons(Settings(), console)
    columns = (
        TextColumn("[bold]simulate[/]  {task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} weeks"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("burn-in, then the chain's history", total=weeks)
        for number in chain.lived(weeks):
            progress.update(task, completed=number + 1, description=chain.spec.monday(number).isoformat())
    return chain


def advance(console: Console) -> None:
    """Give out what the pipeline has issued for the next week, live it, and bring what was used to the ledger."""
    chain = open_chain()
    chain.check_settings()
    if chain.next_week < chain.spec.warmup_weeks:
        chain = simulate(console)
    settings = Settings()
    cycle = chain.spec.monday(chain.next_week - 1).isoformat()
    recorded, decided = (_table(settings, *path, cycle) for path in (RECORD, DECISIONS))
    if recorded is None or decided is None:
        console.print(f"no coupons issued: cycle {cycle} is not decided (`make run` decides it)", highlight=False)
    else:
        issues = issuing.of_record(chain.world, chain.next_week, recorded, decided)
        chain.issue(issues)
        console.print(f"{issues.num_rows:,} coupons issued", highlight=False)
    tills = Tills(lambda clock: opened(settings, clock), chain.root / "private" / "tills", chain.spec.seed)
    week = chain.advance(_at_the_ledger(chain, settings, tills))
    told = ", ".join(f"{count} {answer.replace('_', ' ')}" for answer, count in (tills.told(week) or {}).items())
    if told:
        console.print(f"at the tills: {told}", highlight=False)
    console.print(f"lived the week of {week}", highlight=False)


def _table(settings: Settings, layer: str, table: str, week: str) -> pa.Table | None:
    path = settings.data / settings.source / layer / table / f"week={week}" / "part.parquet"
    return read_parquet(path) if path.exists() else None


def _at_the_ledger(chain: Chain, settings: Settings, tills: Tills) -> Callable[[int, WeekRecords], None] | None:
    """What brings a week's uses to the ledger; None where there is none that is the origin of them."""
    if not there_is_a_ledger(settings):
        return None
    with opened(settings, latest) as ledger:
        origin = ledger.setting(ORIGIN_FROM)
    if origin is None:
        return None
    first = chain.spec.number(origin)

    def bring(number: int, records: WeekRecords) -> None:
        if number >= first:
            ended = chain.issues_of(number - LIFE_WEEKS)
            # The ledger has never known what was over before its first week.
            tills.bring(records, ended if number > first else ended.slice(0, 0))

    return bring


def _forget_coupons(settings: Settings, console: Console) -> None:
    """The coupons of a world that is begun anew: their weeks are gone, and those of the next one are others."""
    if settings.source != issuing.SOURCE or not there_is_a_ledger(settings):
        return
    if settings.ledger_url is None:
        shutil.rmtree(settings.ledger_folder)
    else:
        console.print("COUPON_LEDGER_URL names a ledger of another world: give this one an empty database")


def serve_crm(console: Console) -> None:
    """Serve the CRM's API on loopback, once the history is there.

    What is there is served as it is, also if the simulator's code has changed since: only `simulate` begins anew.
    """
    chain = open_chain()
    chain.check_settings()
    if chain.next_week < chain.spec.warmup_weeks:
        chain = simulate(console)
    serve(chain.systems.feeds, urlsplit(os.environ.get("COUPON_CRM_URL", CRM_URL)).port or 80)
