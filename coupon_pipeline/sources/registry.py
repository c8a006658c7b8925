"""Finds the source that the settings name."""

from __future__ import annotations

from collections.abc import Callable

from coupon_pipeline.settings import Settings
from coupon_pipeline.sources.complete_journey.source import CompleteJourney
from coupon_pipeline.sources.source import Source, SourceError

SOURCES: dict[str, Callable[[Settings], Source]] = {
    "complete-journey": lambda settings: CompleteJourney(settings.complete_journey),
}


def open_source(settings: Settings) -> Source:
    """The source named by `settings.source`; raises SourceError for an unknown name."""
    if settings.source not in SOURCES:
        raise SourceError(f"unknown source {settings.source!r}: set SOURCE to one of {', '.join(SOURCES)}")
    return SOURCES[settings.source](settings)
