"""Renders a week's findings by the page renderer of Great Expectations, into a page that needs no network."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.render.renderer.content_block import ValidationResultsTableContentBlockRenderer
from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaPageView
from jinja2 import ChoiceLoader, FileSystemLoader, pass_context

import coupon_pipeline.contracts.judging.expectations  # noqa: F401 - registers ours
from coupon_pipeline.contracts.compiling import builtin_rules as builtin
from coupon_pipeline.contracts.compiling import named_rules as kinds
from coupon_pipeline.contracts.compiling.column_rules import (
    BETWEEN,
    IN_WEEK,
    KNOWN_WEEKS,
    UNIQUE,
)
from coupon_pipeline.contracts.compiling.promise_rules import LATENCY
from coupon_pipeline.contracts.contract import Contract, Rule
from coupon_pipeline.contracts.judging.verdict import Outcome
from coupon_pipeline.contracts.showing.summary import Summary

LINE_ENDS: Final = re.compile(r"\s*\n\s*")
SPANS: Final = ("<span>", "<span >", "</span>")
"""Marks around every text; none of them has a class here."""
TEMPLATES: Final = Path(__file__).with_name("page")
COLUMNS: Final = {"Action": "action", "Dimension": "dimension", "Rule": "rule", "Tested by": "test"}
"""Heading -> the property of a rule below it, beside status, expectation and observed value."""
COLUMN_SET: Final = "expect_table_columns_to_match_set"
SHOWN_AS: Final = {
    kinds.FILES: kinds.ROW_COUNT,
    kinds.ROW_COUNT_NEAR: kinds.ROW_COUNT,
    kinds.MEAN_NEAR: kinds.MEAN,
    kinds.PRESENT_NEAR: kinds.PRESENT,
    kinds.RECONCILE: BETWEEN,
    builtin.PRESENT: COLUMN_SET,
    builtin.EXTRA: COLUMN_SET,
    builtin.TYPED: COLUMN_SET,
    builtin.DUPLICATE: UNIQUE,
    builtin.SEEN: UNIQUE,
}
"""Our expectation, or a rule without one -> the expectation of Great Expectations that says nearly the same."""
OF_TYPE: Final = "expect_column_values_to_be_of_type"
HELPERS: Final = {
    KNOWN_WEEKS: "weeks for which {} has been known",
    IN_WEEK: "1 where {} lies in the week",
    LATENCY: "hours from {} until it was known",
}
"""Helper column -> what its values are."""


class RuleTable(ValidationResultsTableContentBlockRenderer):
    """Rows of a rule table that say what must hold in the words of the contract."""

    @classmethod
    def _get_content_block_fn_from_expectation_description(
        cls, expectation_config: ExpectationConfiguration
    ) -> Callable[..., Any] | None:
        # The original builds the expectation to ask for its description: two thirds of a page's time.
        return cls._said

    @classmethod
    def _said(cls, configuration: ExpectationConfiguration, **_: Any) -> list[dict[str, Any]]:
        return [{"content_block_type": "string_template", "string_template": {"template": configuration.description}}]


class PageView(DefaultJinjaPageView):
    """A page without scripts, fonts and pictures from elsewhere; its blocks come first from TEMPLATES."""

    _template = "results.j2"

    def __init__(self) -> None:
        super().__init__()
        self.env.loader = ChoiceLoader([FileSystemLoader(TEMPLATES), *filter(None, [self.env.loader])])
        self.env.auto_reload = False
        self.env.trim_blocks = self.env.lstrip_blocks = True

    @pass_context
    def render_content_block(self, jinja_context: Any, content_block: Any, *args: Any, **kwargs: Any) -> Any:
        """A block as HTML; most are short texts, which need no template of their own."""
        if isinstance(content_block, dict) and content_block.get("content_block_type") == "string_template":
            return self.render_string_template(content_block["string_template"])
        return super().render_content_block(jinja_context, content_block, *args, **kwargs)


@cache
def _view() -> PageView:
    # Compiling the templates costs four pages.
    return PageView()


@cache
def _renderer() -> ValidationResultsPageRenderer:
    table = {"class_name": RuleTable.__name__, "module_name": RuleTable.__module__}
    section = {"class_name": "ValidationResultsColumnSectionRenderer", "table_renderer": table}
    return ValidationResultsPageRenderer(column_section_renderer=section)


def rendered(contract: Contract, summary: Summary) -> str:
    """The page of a week, as HTML."""
    outcomes = {outcome.rule: outcome for outcome in summary.outcomes}
    judged, skipped = [], []
    for rule in contract.rules:
        why_not = _why_not(rule, outcomes.get(rule.id))
        judged.append(rule) if why_not is None else skipped.append((rule, why_not))
    result = ExpectationSuiteValidationResult(
        success=summary.passed,
        results=[_entry(contract, rule, outcomes[rule.id], summary.rows_in) for rule in judged],
        suite_name=contract.label,
        statistics={},
    )
    document = _renderer().render(result)
    places = {column.name: place for place, column in enumerate(contract.columns)}
    # The first section repeats what the head of our page says.
    document.sections = sorted(document.sections[1:], key=lambda section: places.get(section.section_name, -1))
    broken = [one for one in summary.outcomes if one.failed or not one.could_run]
    page = _view().render(document, contract=contract, found=summary, broken=broken, skipped=skipped)
    for span in SPANS:
        page = page.replace(span, "")
    return LINE_ENDS.sub("\n", page)


def _why_not(rule: Rule, outcome: Outcome | None) -> str | None:
    """Why a rule was not held against the week, or None."""
    if outcome is None:
        return "not judged: the columns are not those of the contract"
    if outcome.applied:
        return None
    if rule.other is not None:
        return f"does not apply: {rule.other} is not delivered"
    return "does not apply: too few clean weeks are known before, or the week has no values"


def _entry(contract: Contract, rule: Rule, outcome: Outcome, rows: int) -> ExpectationValidationResult:
    """The result of a rule, with all text escaped: the templates of Great Expectations trust what they are given."""
    failed = outcome.failed > 0 or not outcome.could_run
    kwargs = _kwargs(contract, rule)
    type_ = SHOWN_AS.get(str(rule.expectation or rule.id), rule.expectation or OF_TYPE)
    properties = {
        "action": rule.action,
        "dimension": rule.dimension,
        "rule": rule.id,
        "test": _test(rule, type_, kwargs),
    }
    if len(rule.columns) == 1 or "column" in rule.kwargs:
        kwargs["column"] = rule.columns[0]
    config = ExpectationConfiguration(
        type_,
        {**kwargs, "meta_properties_to_render": COLUMNS},
        {"attributes": {name: html.escape(text) for name, text in properties.items()}},
        description=html.escape(f"{rule.reason}. {rule.impact}" if failed else rule.reason),
    )
    return ExpectationValidationResult(not failed, config, _result(rule, outcome, rows))


def _result(rule: Rule, outcome: Outcome, rows: int) -> dict[str, Any]:
    if not outcome.could_run:
        return {"observed_value": "could not run"}
    if rule.scope == "table":
        return {"observed_value": ", ".join(_escaped(outcome)) or outcome.observed}
    return {
        "element_count": rows,
        "unexpected_count": outcome.failed,
        "unexpected_percent": 100 * outcome.failed / max(rows, 1),
        "partial_unexpected_list": _escaped(outcome),
    }


def _escaped(outcome: Outcome) -> list[str]:
    return [html.escape(example) for example in outcome.examples]


def _kwargs(contract: Contract, rule: Rule) -> dict[str, Any]:
    """The arguments of a rule's test, helper columns in words."""
    if rule.expectation is None:
        return {"type_": contract.column(rule.columns[0]).physical_type} if rule.id.endswith(".type") else {}
    words = {helper.format(name): said.format(name) for helper, said in HELPERS.items() for name in rule.columns}
    return {name: words.get(value, value) if isinstance(value, str) else value for name, value in rule.kwargs.items()}


def _test(rule: Rule, type_: str, kwargs: Mapping[str, Any]) -> str:
    """How a rule is tested, as one would write it."""
    if rule.expectation is None and not kwargs:
        return "while the week is read"
    own = {
        name: value
        for name, value in kwargs.items()
        if value is not None and (name, value) != ("column", *rule.columns)
    }
    return f"{rule.expectation or type_}({', '.join(f'{name}={_plain(value)}' for name, value in own.items())})"


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)).join("[]") if isinstance(value, list | tuple) else str(value)
