"""`docs`: writes the page of every contract below docs/contracts."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from rich.console import Console

from models import dataset

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.showing.catalogue import pages
from coupon_pipeline.decisions import candidates
from coupon_pipeline.files import write_text

FOLDER = reader.FOLDER.parent / "docs" / "contracts"
USES = {
    "the features and the redemption model": (*dataset.REQUIRED, *dataset.OPTIONAL),
    "the decision who may get which coupon": candidates.READS,
}
"""What the pipeline uses -> the clean tables that it reads."""


def generated() -> dict[str, str]:
    """File name -> text of every page; raises ContractError for a contract that cannot be held."""
    uses: defaultdict[str, list[str]] = defaultdict(list)
    for use, tables in USES.items():
        for table in tables:
            uses[table].append(use)
    return pages([reader.load(name) for name in reader.names()], uses)


def docs(console: Console, folder: Path = FOLDER) -> None:
    """Write all pages, and remove those of contracts that have gone."""
    texts = generated()
    for name, text in texts.items():
        write_text(folder / name, text)
    for path in folder.glob("*.md"):
        if path.name not in texts:
            path.unlink()
    console.print(f"{len(texts)} pages in {folder}")
