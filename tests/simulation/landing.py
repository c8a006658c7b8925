"""The shipped source on whatever weeks a chain has, with systems that are there already."""

from __future__ import annotations

from pathlib import Path

import yaml

from coupon_pipeline.sources import registry
from coupon_pipeline.sources.connected import Connected


def source_of(data: Path) -> Connected:
    """The source of the chain below `data`: nothing is started, nothing tried again; its file is `simulated.yaml`."""
    document = yaml.safe_load((registry.FOLDER / "simulated.yaml").read_text(encoding="utf-8"))
    # The weeks after the first one are those that the chain says are complete.
    document["calendar"]["last"] = document["calendar"]["first"]
    for system in document["systems"].values():
        for key in ("start", "ready", "start_seconds"):
            system.pop(key, None)
        system["retry"] = {"attempts": 1}
    path = data / "simulated.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return Connected(path, data)
