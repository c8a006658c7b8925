"""What a run came to: rows, model, coupons, cost of the run, where things are, and what to type next."""

from __future__ import annotations

import resource
import sys
from collections import Counter
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from assets.digests import ISSUES, Digests
from assets.pipeline import Pipeline
from models import training
from models.campaigns import named

from coupon_pipeline.commands.outcome import Outcome, print_table, write_json
from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.judging import published
from coupon_pipeline.issuing.cycle import outstanding_cents
from coupon_pipeline.issuing.record import refused
from coupon_pipeline.sources.ledgered import latest, opened

METRICS = ("auc", "ap", "ndcg_at_16", "recall_at_16")


@dataclass(frozen=True)
class Usage:
    """What a command has used of the machine, children included."""

    wall_seconds: float
    cpu_seconds: float
    peak_gib: float

    @classmethod
    def measured(cls, wall_seconds: float) -> Usage:
        """What this process and its ended children have used so far."""
        own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = sum(usage.ru_utime + usage.ru_stime for usage in (own, children))
        # ru_maxrss counts bytes on macOS and KiB elsewhere.
        unit = 1 if sys.platform == "darwin" else 1024
        return cls(wall_seconds, cpu, max(own.ru_maxrss, children.ru_maxrss) * unit / 2**30)


def print_summary(pipeline: Pipeline, week: str, usage: Usage, console: Console) -> None:
    """Print the tables of a run and write the same rows to out/run.json."""
    tables = table_rows(pipeline)
    figures = [*tables, *model_rows(pipeline), *decision_rows(pipeline, week), *usage_rows(usage)]
    console.print()
    console.print(_tables(pipeline, tables))
    console.print(_models(pipeline))
    print_table(f"Coupons of cycle {week}", decision_rows(pipeline, week), console)
    print_table("This run", usage_rows(usage), console)
    for name, text in pipeline.source.assumptions.items():
        console.print(f"[bold]{name}[/]: {text}", highlight=False)
    for name, count in kept_verdicts(pipeline).items():
        console.print(
            f"[yellow]{name}[/]: {count} weeks stay as an earlier contract judged them; FORCE=1 judges them again, "
            "make quarantine REPLAY=1 lets in what is good by now"
        )
    path = write_json("run", figures)
    console.print(f"\nData in {pipeline.store.root}, models in {pipeline.settings.data / 'mlflow'}, figures in {path}")
    console.print("Next: [bold]make serve[/] answers over HTTP, [bold]make dev[/] opens Dagster and MLflow")


def table_rows(pipeline: Pipeline) -> list[Outcome]:
    """Rows landed, clean and quarantined per table, over all weeks; how many weeks were refused, where any was."""
    weeks, store, digests = pipeline.source.calendar.weeks, pipeline.store, Digests(pipeline)
    rows = []
    for table in pipeline.source.tables():
        gaps = store.gaps(table, weeks[-1])
        for layer in ("raw", "clean", "quarantine"):
            there = [week for week in weeks if layer != "clean" or week not in gaps]
            rows.append(Outcome(f"{layer}/{table}", sum(store.row_count(layer, table, week) for week in there), "rows"))
        blocked = sum(not digests.is_published(table, week) for week in weeks)
        if blocked:
            rows.append(Outcome(f"blocked/{table}", blocked, "weeks"))
    return rows


def kept_verdicts(pipeline: Pipeline) -> dict[str, int]:
    """Per table the published weeks that another contract than today's has judged, where there are any."""
    weeks, store = pipeline.source.calendar.weeks, pipeline.store
    found = {}
    for table in pipeline.source.tables():
        digest = reader.load(table).digest.encode()
        judged = [store.metadata("clean", table, week).get(published.JUDGED_BY, digest) for week in weeks]
        found[table] = sum(one != digest for one in judged)
    return {table: count for table, count in found.items() if count}


def model_rows(pipeline: Pipeline) -> list[Outcome]:
    """Test metrics of the model, the best baseline beside each, and the calibration."""
    metrics = training.last_trained(pipeline.store).metrics
    rows = [
        Outcome(
            f"model/{name}",
            metrics["redemption"][name],
            baseline=max(found[name] for model, found in metrics.items() if model != "redemption"),
        )
        for name in METRICS
    ]
    ratio = metrics["redemption"]["predicted_over_observed"]
    return [*rows, Outcome("model/predicted_over_observed", ratio)]


def decision_rows(pipeline: Pipeline, week: str) -> list[Outcome]:
    """What a cycle decided, under which limits and assumptions."""
    store, terms, currency = pipeline.store, pipeline.terms, pipeline.source.currency
    candidates = store.read("coupons", "candidates", week)
    assigned = store.read("coupons", "coupon_assignments", week)
    refused = Counter(candidates["refused"].drop_null().to_pylist())
    unknown = sum("assumed_face_value_cents" in reasons for reasons in assigned["reasons"].to_pylist())
    cost = sum(assigned["cost_cents"].to_pylist()) / 100
    return [
        Outcome("candidates", candidates.num_rows, "pairs"),
        *(Outcome(f"refused: {reason}", count, "pairs") for reason, count in sorted(refused.items())),
        Outcome("coupons assigned", assigned.num_rows, "coupons"),
        Outcome("households reached", len(assigned["household_id"].unique()), "households"),
        Outcome("expected redemptions", sum(assigned["redemption_probability"].to_pylist()), "redemptions"),
        Outcome("expected cost", cost, currency),
        Outcome("budget", terms.budget_cents / 100, currency),
        Outcome("assumed_face_value_cents", terms.assumed_face_value_cents, f"cents, for {unknown} of them"),
        Outcome("issue_cost_cents", terms.issue_cost_cents, "cents each"),
        *issue_rows(pipeline, week),
    ]


def issue_rows(pipeline: Pipeline, week: str) -> list[Outcome]:
    """What the ledger made of a cycle's assignments, and what it has promised in all."""
    recorded = pipeline.store.read(*ISSUES, week)
    issued = recorded.num_rows - recorded["issue_id"].null_count
    with opened(pipeline.settings, latest) as ledger:
        outstanding = outstanding_cents(ledger) / 100
    return [
        Outcome("coupons issued", issued, "coupons"),
        *(Outcome(f"not issued: {reason}", count, "coupons") for reason, count in refused(recorded).items()),
        Outcome("liability outstanding", outstanding, pipeline.source.currency),
    ]


def usage_rows(usage: Usage) -> list[Outcome]:
    """CPU, memory and time."""
    return [
        Outcome("CPU", usage.cpu_seconds, "seconds"),
        Outcome("peak memory", usage.peak_gib, "GiB"),
        Outcome("time", usage.wall_seconds, "seconds"),
    ]


def _tables(pipeline: Pipeline, rows: list[Outcome]) -> Table:
    table = Table("table", title="Rows", title_justify="left", box=None, padding=(0, 2))
    counts = {row.name: row.value for row in rows}
    blocked = any(name.startswith("blocked/") for name in counts)
    for name in ("landed", "clean", "quarantined", *(["weeks blocked"] if blocked else [])):
        table.add_column(name, justify="right")
    for name in pipeline.source.tables():
        cells = [f"{counts[f'{layer}/{name}']:,}" for layer in ("raw", "clean", "quarantine")]
        table.add_row(name, *cells, *([f"[red]{counts[f'blocked/{name}']}[/]"] if f"blocked/{name}" in counts else []))
    return table


def _models(pipeline: Pipeline) -> Table:
    trained = training.last_trained(pipeline.store)
    metrics = trained.metrics
    title = f"Redemption model on {named(trained.test_campaigns)}, not seen in training"
    table = Table("model", title=title, title_justify="left", box=None, padding=(0, 2))
    columns = (*METRICS, "predicted_over_observed")
    for name in columns:
        # The longest name takes two lines, so that the table keeps within 80 columns.
        table.add_column(name.replace("_over_", "\n/ "), justify="right")
    for model, found in metrics.items():
        table.add_row(model, *(f"{found[name]:.4f}" if name in found else "" for name in columns))
    return table
