"""The command line: `python -m coupon_pipeline <command>`."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from coupon_pipeline.commands.ledger import VERBS
from coupon_pipeline.settings import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
contracts = typer.Typer(no_args_is_help=True, help="What differs between versions of contracts, and what may not.")
app.add_typer(contracts, name="contracts")
ledger = typer.Typer(no_args_is_help=True, help="The care of the coupon ledger: tables, moves, backups, keys.")
app.add_typer(ledger, name="ledger")
console = Console()
PREFIXES = {"ChainSettings": "COUPON_CHAIN_"}
"""Class of settings -> what its variables begin with, where that is not COUPON_."""


@app.command()
def run(force: Annotated[bool, typer.Option(help="Redo what is fresh.")] = False) -> None:
    """Land, validate, train, decide and publish; only what is stale."""
    with plain_errors():
        from assets import storage

        from coupon_pipeline.commands.run import run as run_pipeline

        with storage.instance(Path.cwd()) as instance:
            run_pipeline(Settings(), instance, console, force)


@app.command()
def evaluate(
    campaign: Annotated[int | None, typer.Option(help="Campaign to score; unset: the source's test campaign.")] = None,
    scores: Annotated[Path | None, typer.Option(help="File for one probability per pair (.csv or .parquet).")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings to average over.")] = 3,
) -> None:
    """Fit on what had closed before a campaign and score it; register nothing."""
    with plain_errors():
        from assets.pipeline import Pipeline

        from coupon_pipeline.commands.evaluate import evaluate as evaluate_campaign

        if not evaluate_campaign(Pipeline(Settings()), campaign, seeds, scores, console):
            raise typer.Exit(1)


@app.command()
def erase(household: Annotated[str, typer.Argument(help="The grocer's own id of a household.")]) -> None:
    """Erase a household: no reader sees it from now on, and the next cycle removes it from every file."""
    with plain_errors():
        from assets.pipeline import Pipeline

        from coupon_pipeline.commands.erase import erase as erase_household

        erase_household(Pipeline(Settings()), household, console)


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535)] = 3000,
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that answer; one that dies is replaced.")] = 1,
) -> None:
    """Answer over HTTP: offers from the last published bundle, the life of coupons from the ledger."""
    with plain_errors(service=True):
        from serving.run import serve as serve_settings

        serve_settings(Settings(), host, port, workers)


@app.command()
def dev() -> None:
    """Open Dagster and MLflow on loopback."""
    with plain_errors():
        from coupon_pipeline.commands.dev import dev as run_servers

        run_servers(Settings(), console)


@app.command()
def simulate(
    advance: Annotated[bool, typer.Option(help="Issue the last cycle's coupons and live one more week.")] = False,
    serve: Annotated[bool, typer.Option(help="Serve the CRM's API on loopback.")] = False,
    report: Annotated[bool, typer.Option(help="Compare the world with the real data of Complete Journey.")] = False,
) -> None:
    """Make the history of the simulated chain: 52 weeks, in the feeds of its systems."""
    with plain_errors():
        from coupon_pipeline.simulation import command
        from coupon_pipeline.simulation.spec import ChainError

        try:
            if report:
                from coupon_pipeline.simulation.calibration.compare import compare

                if not compare(console, Path("out")):
                    raise typer.Exit(1)
            elif serve:
                command.serve_crm(Console(stderr=True))
            elif advance:
                command.advance(console)
            else:
                command.simulate(console)
        except ChainError as error:
            stop(str(error))


@app.command()
def quarantine(
    table: Annotated[str | None, typer.Option(help="Of this table alone.")] = None,
    rule: Annotated[str | None, typer.Option(help="By this rule alone, such as household_id.exists_in.")] = None,
    week: Annotated[str | None, typer.Option(help="Of this week alone, named by its Monday.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most lines of the table.")] = 20,
    replay: Annotated[bool, typer.Option(help="Let in again what passes its contract by now.")] = False,
) -> None:
    """Show the rows that wait for a better delivery: how many, since when, why, and what to do."""
    with plain_errors():
        from assets import storage
        from assets.pipeline import Pipeline

        from coupon_pipeline.commands import quarantine as command

        pipeline, wanted = Pipeline(Settings()), command.Wanted(table, rule, week)
        if replay:
            with storage.instance(Path.cwd()) as instance:
                command.replay(pipeline, wanted, instance, console)
        command.quarantine(pipeline, wanted, limit, console)


@app.command()
def reconcile(
    day: Annotated[str, typer.Option(help="Store-local day, as YYYY-MM-DD.")],
    strict: Annotated[bool, typer.Option(help="End with 1 where there is a difference.")] = False,
) -> None:
    """Hold a day's redemptions against tills, export and bills, and list every difference with its money."""
    with plain_errors():
        from assets.pipeline import Pipeline

        from coupon_pipeline.commands.reconcile import show_day

        differences = show_day(Pipeline(Settings()), day, console)
    if strict and differences:
        raise typer.Exit(1)


@app.command()
def audit() -> None:
    """Recompute every balance of the ledger from its facts; end with 1 where the books do not close."""
    with plain_errors():
        from coupon_pipeline.commands.audit import show_audit
        from coupon_pipeline.reconciling.opening import opened

        with opened(Settings()) as database:
            closes = show_audit(database, console)
    if not closes:
        raise typer.Exit(1)


@app.command()
def docs() -> None:
    """Write the page of every contract below docs/contracts."""
    with plain_errors():
        from coupon_pipeline.commands.docs import docs as write_pages

        write_pages(console)


@contracts.command("diff")
def contracts_diff(
    what: Annotated[list[str] | None, typer.Argument(help="Two files, or tables; unset: every table.")] = None,
    against: Annotated[str, typer.Option(help="Commit that the working tree is compared with.")] = "HEAD",
) -> None:
    """Show breaking and other differences between two versions of contracts."""
    with plain_errors():
        from coupon_pipeline.commands import contracts as command

        command.diff(what or (), against, console)


@contracts.command("sql")
def contracts_sql(table: Annotated[str, typer.Argument(help="Name of the table.")]) -> None:
    """Print the statement that makes a table in DuckDB as its contract describes it."""
    with plain_errors():
        from coupon_pipeline.contracts import reader, sql

        print(sql.ddl(reader.load(table)), end="")


@contracts.command("check")
def contracts_check() -> None:
    """Refuse a change that breaks somebody without a higher major version, and any without a higher version."""
    with plain_errors():
        from coupon_pipeline.commands import contracts as command
        from coupon_pipeline.contracts import reader

        for name in reader.names():
            reader.load(name)
        kept = command.check(console)
    if not kept:
        raise typer.Exit(1)


@contextmanager
def plain_errors(service: bool = False) -> Generator[None]:
    """End with one line and exit code 2 on errors that say what is wrong and what to do."""
    try:
        yield
    except ValidationError as error:
        wrong = error.errors()[0]
        name = "_".join(str(part) for part in wrong["loc"]).upper()
        stop(f"{PREFIXES.get(error.title, 'COUPON_')}{name}: {wrong['msg']} (it is {wrong['input']!r})")
    except plain_error_types(service) as error:
        stop(" ".join(str(error).split()))


def plain_error_types(service: bool) -> tuple[type[Exception], ...]:
    """Errors whose message is for people; the service knows no Dagster."""
    if service:
        return (OSError,)
    from assets.graph import PLAIN_ERRORS

    from coupon_pipeline.commands.failed import FailedRunError

    return (*PLAIN_ERRORS, FailedRunError)


def stop(line: str) -> None:
    """Say one line on standard error and end with exit code 2."""
    print(line, file=sys.stderr)
    raise SystemExit(2)


for name, verb in VERBS.items():
    ledger.command(name)(plain_errors()(verb))
