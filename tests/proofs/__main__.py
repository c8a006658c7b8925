"""`python -m tests.proofs [--short]`: what takes too long for a test, shown row by row; 1 if anything is missed."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping

from rich.console import Console

from tests.proofs import (
    bad_requests,
    dirt,
    ledger_model,
    moments,
    mutations,
    same,
    storms,
    truth,
)
from tests.proofs.ledger import proof as ledger_storms

from coupon_pipeline.commands.outcome import Outcome, print_table, shown, write_json

PROOFS: Mapping[str, Callable[[bool], Iterator[Outcome]]] = {
    "moments": moments.rows,
    "truth": truth.rows,
    "same": same.rows,
    "storms": storms.rows,
    "dirt": dirt.rows,
    "mutations": mutations.rows,
    "ledger": ledger_model.rows,
    "requests": bad_requests.rows,
    "coupon-storms": ledger_storms.rows,
}


def main() -> int:
    """Prove, print, write out/prove.json."""
    parser = argparse.ArgumentParser(prog="python -m tests.proofs", description=__doc__)
    parser.add_argument("--short", action="store_true", help="one seed, small chains, few kills")
    parser.add_argument("--only", choices=PROOFS, action="append", help="one of the proofs; may be given again")
    chosen = parser.parse_args()
    console = Console()
    # As tests do: great_expectations imports modules that Python 3.11 deprecates.
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    found = []
    for name in chosen.only or PROOFS:
        of_proof = []
        with console.status(name) as status:
            for row in PROOFS[name](chosen.short):
                of_proof.append(row)
                status.update(f"{name}: {row.name}: {shown(row.value)} {row.unit}")
        print_table(name, of_proof, console)
        found += of_proof
    write_json("prove", found)
    return int(any(row.passed is False for row in found))


if __name__ == "__main__":
    sys.exit(main())
