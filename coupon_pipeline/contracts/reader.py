"""Reads the data contracts: YAML, checked strictly against the official ODCS schema, compiled and cached."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft201909Validator
from jsonschema.exceptions import best_match
from jsonschema.protocols import Validator

from coupon_pipeline.contracts.compiler import compile_contract
from coupon_pipeline.contracts.contract import Contract, ContractError

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
    """The contract in a file; raises ContractError naming the file and what it cannot hold."""
    content = path.read_bytes()
    try:
        document = yaml.load(content, Loader=_UniqueKeyLoader)
    except yaml.YAMLError as error:
        raise ContractError(f"{path.name} is not YAML: {error}") from error
    problem = best_match(_validator().iter_errors(document))
    if problem is not None:
        raise ContractError(f"{path.name}, at {_where(document, problem.absolute_path)}: {problem.message}")
    contract = compile_contract(document, path.name, hashlib.sha256(content).hexdigest())
    if path.name != f"{contract.name}{SUFFIX}":
        raise ContractError(f"{path.name} describes the table {contract.name!r}: name it {contract.name}{SUFFIX}")
    return contract


def _where(document: Any, path: Iterable[str | int]) -> str:
    """The path to a part of a document, with names in place of positions where there are any."""
    parts = []
    for step in path:
        document = document[step]
        parts.append(str(document.get("name", step) if isinstance(document, dict) else step))
    return ".".join(parts) or "the top"


class _UniqueKeyLoader(yaml.CSafeLoader):
    """Refuses a key that is given twice, of which YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        repeated = sorted({key for key in keys if keys.count(key) > 1})
        if repeated:
            raise yaml.constructor.ConstructorError(None, None, f"{', '.join(repeated)} given twice", node.start_mark)
        return super().construct_mapping(node, deep)


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
