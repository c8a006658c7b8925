"""Reads the data contracts: YAML, checked strictly against the official ODCS schema, compiled and cached."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import yaml
from jsonschema import Draft201909Validator
from jsonschema.exceptions import best_match
from jsonschema.protocols import Validator

from coupon_pipeline.contracts.compiling.compiler import compile_contract
from coupon_pipeline.contracts.contract import Contract, ContractError
from coupon_pipeline.documents import Located, parse, place, problem_of
from coupon_pipeline.files import sha256_of

FOLDER = Path(__file__).resolve().parents[2] / "data_contracts"
SUFFIX = ".odcs.yaml"


def names() -> tuple[str, ...]:
    """The tables that have a contract, sorted."""
    return tuple(sorted(path.name.removesuffix(SUFFIX) for path in FOLDER.glob(f"*{SUFFIX}")))


@cache
def load(name: str) -> Contract:
    """The contract of a table; raises ContractError where there is none or it cannot be held."""
    if name not in names():
        raise ContractError(
            f"no contract for {name!r}: add data_contracts/{name}{SUFFIX}, or use one of {', '.join(names())}"
        )
    return read(FOLDER / f"{name}{SUFFIX}")


def read(path: Path) -> Contract:
    """The contract in a file; raises ContractError naming the file, the line and what cannot be held."""
    contract = compile_contract(document(path), sha256_of(path))
    _check_references(contract, path.name)
    if path.name != f"{contract.name}{SUFFIX}":
        raise ContractError(f"{path.name} describes the table {contract.name!r}: name it {contract.name}{SUFFIX}")
    return contract


def _check_references(contract: Contract, file: str) -> None:
    """Refuse a rule that is held against a table or column that no contract has."""
    for rule in contract.rules:
        if rule.reference is None:
            continue
        table, column = rule.reference.split(".")
        known = [one.name for one in contract.columns] if table == contract.name else _columns(table)
        if column not in known:
            given = f"one of the columns {', '.join(known)}" if known else f"a column of {', '.join(names())}"
            raise ContractError(
                f"{file}:{rule.line}: rule {rule.id} refers to {rule.reference}, which is not there: {given}"
            )


@cache
def _columns(table: str) -> tuple[str, ...]:
    """The columns that a table's contract names; none where there is no such contract."""
    if table not in names():
        return ()
    found = parse((FOLDER / f"{table}{SUFFIX}").read_bytes(), table)
    return tuple(column["name"] for column in found["schema"][0]["properties"])


def document(path: Path) -> Located:
    """The document in a file, valid against the official schema; raises ContractError naming file and line."""
    try:
        found = parse(path.read_bytes(), path.name)
    except yaml.YAMLError as error:
        raise ContractError(problem_of(error, path.name)) from error
    problem = best_match(_validator().iter_errors(found))
    if problem is not None:
        at, where = place(found, problem.absolute_path)
        raise ContractError(f"{at or path.name}, at {where}: {problem.message}")
    return found


@cache
def _validator() -> Validator:
    # The package's own model drops misspelt keys, and importing it costs more than reading every contract.
    spec = find_spec("open_data_contract_standard")
    if spec is None or spec.origin is None:
        raise ContractError(
            "the package open-data-contract-standard is not installed: run `make run`, which sets up .venv"
        )
    schema = json.loads(Path(spec.origin).with_name("schema.json").read_text(encoding="utf-8"))
    return Draft201909Validator(schema)
