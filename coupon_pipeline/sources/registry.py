"""Finds the source that the settings name."""

from __future__ import annotations

from pathlib import Path

from coupon_pipeline.settings import Settings
from coupon_pipeline.sources.complete_journey.source import CompleteJourney
from coupon_pipeline.sources.connected import Connected
from coupon_pipeline.sources.source import Source, SourceError

FOLDER = Path(__file__).parent
TEMPLATE = "template"


def open_source(settings: Settings) -> Source:
    """The source named by `settings.source`; raises SourceError for an unknown name or a mistake in its file."""
    if settings.source == CompleteJourney.name and settings.source_config is None:
        return CompleteJourney(settings.complete_journey)
    if settings.source_config is None and settings.source not in names():
        raise SourceError(
            f"unknown source {settings.source!r}: set SOURCE to one of {', '.join(names())}, or add "
            "coupon_pipeline/sources/<name>.yaml, to which docs/adapt.md is the guide"
        )
    path = settings.source_config or FOLDER / f"{settings.source}.yaml"
    source = Connected(path, settings.data)
    if source.name != settings.source:
        raise SourceError(f"{path}, name: {source.name!r} is opened as {settings.source!r}: give both one name")
    return source


def names() -> tuple[str, ...]:
    """The sources that can be opened by name alone, sorted."""
    files = {path.stem for path in FOLDER.glob("*.yaml")} - {TEMPLATE}
    return tuple(sorted({CompleteJourney.name, *files}))
