"""The command `simulate`: make the chain's history, let it live on, serve its CRM."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from coupon_pipeline.settings import Settings
from coupon_pipeline.simulation import issuing
from coupon_pipeline.simulation.chain import Chain
from coupon_pipeline.simulation.settings import open_chain
from coupon_pipeline.simulation.systems.serve import serve
from coupon_pipeline.tables import read_parquet

CRM_URL = "http://127.0.0.1:8090"
"""Where the CRM is, unless COUPON_CRM_URL says otherwise: to the pipeline and to the CRM alike."""


def simulate(console: Console) -> Chain:
    """Bring the warm-up's weeks up to date, with a bar where that takes a while."""
    chain = open_chain()
    weeks = chain.spec.warmup_weeks
    if chain.next_week >= weeks and chain.is_current:
        return chain
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
    """Issue what the pipeline has decided for the next week, and live it."""
    chain = open_chain()
    chain.check_settings()
    if chain.next_week < chain.spec.warmup_weeks:
        chain = simulate(console)
    settings = Settings()
    week = chain.spec.monday(chain.next_week - 1).isoformat()
    path = settings.data / settings.source / "coupons" / "coupon_assignments" / f"week={week}" / "part.parquet"
    if path.exists():
        issues = issuing.of_assignments(chain.world, chain.next_week, read_parquet(path))
        chain.issue(issues)
        console.print(f"{issues.num_rows:,} coupons issued", highlight=False)
    else:
        console.print(f"no coupons issued: cycle {week} is not decided (`make run` decides it)", highlight=False)
    console.print(f"lived the week of {chain.advance()}", highlight=False)


def serve_crm(console: Console) -> None:
    """Serve the CRM's API on loopback, once the history is there.

    What is there is served as it is, also if the simulator's code has changed since: only `simulate` begins anew.
    """
    chain = open_chain()
    chain.check_settings()
    if chain.next_week < chain.spec.warmup_weeks:
        chain = simulate(console)
    serve(chain.systems.feeds, urlsplit(os.environ.get("COUPON_CRM_URL", CRM_URL)).port or 80)
