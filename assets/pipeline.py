"""What every asset works with: the settings, their source and its store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from models.redemption import Recipe

from coupon_pipeline.decisions.policy import Terms
from coupon_pipeline.issuing.offers import Limits
from coupon_pipeline.settings import Settings
from coupon_pipeline.sources.ledgered import Ledgered
from coupon_pipeline.sources.registry import open_source
from coupon_pipeline.sources.source import EvaluationPlan, Source
from coupon_pipeline.tables import Store


@dataclass(frozen=True)
class Pipeline:
    """One source's pipeline, as the settings describe it."""

    settings: Settings

    @cached_property
    def source(self) -> Source:
        """Where raw tables come from, the ledger included; raises SourceError for an unknown name."""
        return Ledgered(open_source(self.settings), self.settings)

    @cached_property
    def store(self) -> Store:
        """The tables of the source."""
        root = self.settings.data / self.settings.source
        delivered = self.source.tables()
        return Store(root, self.source.calendar, self.settings.threads, self.settings.memory_limit, delivered)

    @property
    def plan(self) -> EvaluationPlan:
        """The source's evaluation plan, with what the settings change of it."""
        plan = self.source.plan
        return replace(
            plan,
            test_campaign=self.settings.test_campaign or plan.test_campaign,
            locked_from=self.settings.locked_from or plan.locked_from,
        )

    @property
    def terms(self) -> Terms:
        """The limits and named assumptions of a cycle."""
        return Terms(
            self.settings.budget_cents,
            self.settings.max_coupons_per_household,
            self.settings.assumed_face_value_cents,
            self.settings.issue_cost_cents,
        )

    @property
    def limits(self) -> Limits:
        """What the ledger holds to when it issues."""
        return Limits(
            self.settings.liability_cents,
            self.settings.supplier_liability_cents,
            self.settings.max_coupons_per_household_day,
            self.settings.max_issues_per_coupon,
            self.settings.assumed_face_value_cents,
        )

    @property
    def recipe(self) -> Recipe:
        """How the redemption model is trained."""
        return Recipe()
