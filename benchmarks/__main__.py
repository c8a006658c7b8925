"""`python -m benchmarks [--short | --large | --full]`: what the project costs, each figure from its own process."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from benchmarks.measure import FailedMeasurementError
from benchmarks.rows import large, rows

from coupon_pipeline.commands.outcome import print_table, shown, write_json


def main() -> int:
    """Measure, print, write out/bench.json; 1 if a bar is missed, 2 if something cannot be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--short", action="store_true", help="a small chain, in half a minute")
    size.add_argument("--large", action="store_true", help="a chain of 100,000 households alone")
    size.add_argument("--full", action="store_true", help="also a ledger of ten million coupons")
    chosen = parser.parse_args()
    console, found = Console(), []
    try:
        with console.status("measuring") as status:
            for row in large() if chosen.large else rows(chosen.short, chosen.full):
                found.append(row)
                status.update(f"{row.name}: {shown(row.value)} {row.unit}")
    except FailedMeasurementError as error:
        # What has been measured so far is worth being seen.
        print_table("Measured so far", found, console)
        print(error, file=sys.stderr)
        return 2
    title = "A chain of 100,000 households" if chosen.large else "What it costs"
    print_table(title, found, console)
    write_json("bench-large" if chosen.large else "bench", found)
    return int(any(row.passed is False for row in found))


if __name__ == "__main__":
    sys.exit(main())
