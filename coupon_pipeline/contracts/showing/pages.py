"""The results page of a table and week: every rule, how it fared, and masked examples, in one file."""

from __future__ import annotations

from pathlib import Path

from coupon_pipeline.contracts.contract import Contract
from coupon_pipeline.contracts.showing.summary import Summary
from coupon_pipeline.files import write_text


def page_path(root: Path, table: str, week: str) -> Path:
    """Where a week's page lies below the folder of a source."""
    return root / "results" / table / f"week={week}" / "index.html"


def write_page(contract: Contract, summary: Summary, path: Path) -> None:
    """Write a week's page, atomically; the same summary gives the same bytes."""
    # Great Expectations takes seconds to import, and whoever only asks for a path needs none of it.
    from coupon_pipeline.contracts.showing.rendering import rendered

    write_text(path, rendered(contract, summary))
