"""Every rule of every contract broken in some row or week: the rule catches it as it declares, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from tests.contracts.spoiling.surveying import Found, survey, without

from coupon_pipeline.commands.outcome import OUT, Outcome
from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.contract import Contract
from coupon_pipeline.files import write_text

SHORT = ("coupon_redemptions", "customers", "pos_transactions")
"""Tables that have rules of nearly every kind."""
COLUMNS = ("contract", "rule", "action", "broken by", "caught", "cannot hold beside it")


def rows(short: bool) -> Iterator[Outcome]:
    """How many rules there are, how many nothing breaks or catches, and whether a lost rule would be noticed."""
    contracts = [reader.load(table) for table in (SHORT if short else reader.names())]
    found = {contract.name: survey(contract) for contract in contracts}
    _write(contracts, found)
    everything = [one for each in found.values() for one in each]
    unbroken = [entry for contract in contracts for entry in _unbroken(contract, found[contract.name])]
    yield Outcome("mutations: tables", len(contracts))
    yield Outcome("mutations: rules", sum(len(contract.rules) for contract in contracts))
    yield Outcome("mutations: ways to break them", len(everything))
    yield Outcome("mutations: rules without a violating row", len(unbroken), op="<=", bar=0)
    yield Outcome("mutations: not caught", sum(not one.caught for one in everything), op="<=", bar=0)
    yield Outcome("mutations: untouched rows caught", sum(one.wrong for one in everything), op="<=", bar=0)
    for name, each in found.items():
        for one in each:
            if not one.caught:
                yield Outcome(f"mutations: not caught: {name}: {one.mutation.rule.id}: {one.mutation.how}", one.why)
    for entry in unbroken:
        yield Outcome(f"mutations: nothing breaks {entry}", 1)
    # Were a rule to vanish between the contract and the check, its mutations would have to show it.
    missed = [rule for contract in contracts for rule in _unnoticed(contract)]
    yield Outcome("mutations: lost rules unnoticed", len(missed), op="<=", bar=0)


def _unbroken(contract: Contract, found: Sequence[Found]) -> list[str]:
    broken = {one.mutation.rule.id for one in found}
    return [f"{contract.name}: {rule.id}" for rule in contract.rules if rule.id not in broken]


def _unnoticed(contract: Contract) -> Iterator[str]:
    """The rules that a contract could do without, one half at a time, and no mutation would be missed."""
    for half in (0, 1):
        lost = {rule.id for rule in contract.rules[half::2]}
        found = survey(contract, lost, judged_by=without(contract, lost))
        yield from lost - {one.mutation.rule.id for one in found if not one.caught}


def _write(contracts: Sequence[Contract], found: dict[str, list[Found]]) -> None:
    """Print the list, rule by rule, and write it to out/mutations.json."""
    lines = [line for contract in contracts for line in _lines(contract, found[contract.name])]
    table = Table(title="mutations: every rule", title_justify="left", box=None, padding=(0, 2))
    for name in COLUMNS:
        table.add_column(name)
    for line in lines:
        table.add_row(*line)
    # Whoever pipes the list into a file reads whole names.
    Console(width=max(180, Console().width)).print(table)
    write_text(
        OUT / "mutations.json", json.dumps([dict(zip(COLUMNS, line, strict=True)) for line in lines], indent=2) + "\n"
    )


def _lines(contract: Contract, found: Sequence[Found]) -> Iterator[tuple[str, ...]]:
    for rule in contract.rules:
        of_rule = [one for one in found if one.mutation.rule.id == rule.id]
        ways = ", ".join(one.mutation.how for one in of_rule)
        caught = "; ".join(dict.fromkeys(one.why or "yes" for one in of_rule)) or "nothing breaks it"
        also = ", ".join(sorted({also for one in of_rule for also in one.mutation.also}))
        yield contract.name, rule.id, rule.action, ways, caught, also
