"""Contracts are read strictly: what is written is held, and what cannot be held is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import jsonschema
import pytest
import yaml

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.contract import ContractError

TABLES = [
    "bills",
    "campaign_targets",
    "campaigns",
    "coupon_issues",
    "coupon_products",
    "coupon_redemptions",
    "coupons",
    "customers",
    "engagements",
    "inventory_levels",
    "pos_transactions",
    "prices",
    "products",
    "promotions",
    "purchase_orders",
    "stores",
]
OPTIONAL = [
    "bills",
    "coupon_issues",
    "engagements",
    "inventory_levels",
    "prices",
    "promotions",
    "purchase_orders",
]
CHANGE_LOGS = [
    "campaign_targets",
    "campaigns",
    "coupon_products",
    "coupon_redemptions",
    "coupons",
    "customers",
    "prices",
    "products",
    "purchase_orders",
    "stores",
]


def edited(tmp_path: Path, table: str, old: str, new: str) -> Path:
    text = (reader.FOLDER / f"{table}.odcs.yaml").read_text(encoding="utf-8")
    assert text.count(old) >= 1
    path = tmp_path / f"{table}.odcs.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_sixteen_tables_have_a_contract() -> None:
    assert reader.names() == tuple(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_contract_is_valid_against_the_official_schema(table: str) -> None:
    spec = find_spec("open_data_contract_standard")
    assert spec is not None
    assert spec.origin is not None
    official = json.loads(Path(spec.origin).with_name("schema.json").read_text(encoding="utf-8"))
    document = yaml.safe_load((reader.FOLDER / f"{table}.odcs.yaml").read_text(encoding="utf-8"))
    jsonschema.Draft201909Validator(official).validate(document)


@pytest.mark.parametrize("table", TABLES)
def test_every_reference_is_the_whole_key_of_another_contract(table: str) -> None:
    for target in reader.load(table).references.values():
        name, column = target.split(".")
        assert reader.load(name).key == (column,)


@pytest.mark.parametrize("table", TABLES)
def test_personal_columns_are_classified(table: str) -> None:
    personal = {column.name: column.classification for column in reader.load(table).columns if column.personal}
    assert personal.get("household_id", "pii-pseudonymous") == "pii-pseudonymous"
    assert (table == "customers") == ("age_band" in personal)


def test_kind_decides_what_is_unique_within_a_week() -> None:
    assert reader.load("pos_transactions").unique_key == ("basket_id", "line")
    assert reader.load("coupons").unique_key == ("coupon_id", "known_at")
    assert reader.load("coupons").key == ("coupon_id",)


def test_only_two_tables_bound_their_row_count() -> None:
    contracts = [reader.load(table) for table in TABLES]
    bounded = [c.name for c in contracts if any(rule.id == "volume" for rule in c.rules)]
    assert bounded == ["pos_transactions", "promotions"]


def test_what_a_grocer_may_lack_is_optional() -> None:
    assert [table for table in TABLES if not reader.load(table).mandatory] == OPTIONAL


def test_no_table_refers_to_one_that_a_grocer_may_lack() -> None:
    targets = {target.split(".")[0] for table in TABLES for target in reader.load(table).references.values()}
    assert targets.isdisjoint(OPTIONAL)


def test_change_logs_alone_have_a_column_that_ends_a_key() -> None:
    assert [table for table in TABLES if reader.load(table).kind == "change_log"] == CHANGE_LOGS
    for table in TABLES:
        ends = [column for column in reader.load(table).columns if column.name == "is_deleted"]
        assert [(column.physical_type, column.required) for column in ends] == (
            [("BOOLEAN", False)] if table in CHANGE_LOGS else []
        )


def test_an_unknown_table_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ContractError, match=r"no contract for 'weather'.*stores"):
        reader.load("weather")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("required: true", "requred: true", "requred"),
        ("metric: rowCount", "metric: nullValues", "volume.*nullValues"),
        ("mustBeGreaterOrEqualTo: 1", "mustNotBe: 0", "volume.*mustNotBe"),
        ("type: expect_multicolumn_weighted_sum_to_be_at_least", "type: expect_no_such_thing", "coupon_within_value"),
        ("weights: [1, -1, -1, -1]", "weights: [1, -1]", "coupon_within_value.*one weight per column"),
        ("[gross_cents, retail", "[gros_cents, retail", "coupon_within_value reads gros_cents"),
        ("engine: great-expectations", "engine: soda", "coupon_within_value"),
        ("severity: warning", "severity: mild", "coupon_within_value.*severity"),
        ("name: coupon_within_value", "name: volume", "two rules are called volume"),
        ("{minimum: 1}", "{multipleOf: 2}", "line.*multipleOf"),
        ("to: stores.store_id", "to: stores", "store_id"),
        ("physicalType: INTEGER", "physicalType: TINYINT", "line.*TINYINT"),
        ("property: freshness", "property: availability", "availability"),
        ("element: pos_transactions.sold_at", "element: pos_transactions.quantity", "quantity"),
        ("value: fact", "value: facts", "tableKind.*facts"),
        ("quarantineMaxPercent, value: 2", "quarantineMaxPercent, value: 200", "quarantineMaxPercent.*200"),
        ("property: mandatory", "property: mandatroy", "mandatroy"),
        ("role: owner", "role: steward", "role owner"),
        ("primaryKeyPosition: 2", "primaryKeyPosition: 3", "primaryKeyPosition"),
        ("    properties:", "    relationships: []\n    properties:", "relationships"),
        ("version: 2.0.0", "version: 1.0.0\nversion: 2.0.0", "version given twice"),
        ("pos_transactions.sold_at", "bills.sold_at", "freshness.*bills.sold_at"),
        ("property: unit", "property: units", "basket_id.*units.*unit"),
        ("freshness, value: 3", "freshness, value: three", "freshness.*three.*a number above 0"),
        ("freshness, value: 3", "freshness, value: -3", "a number above 0"),
        ("to: stores.store_id", "to: shops.store_id", r"store_id\.exists_in refers to shops.store_id"),
        ("to: stores.store_id", "to: stores.shop_id", r"refers to stores.shop_id.*the columns store_id"),
        ("{minimum: 1}", "{minimum: 9, maximum: 1}", "line has bounds that nothing meets: from 9 to 1"),
        ("weights: [1, -1, -1, -1]", "weights: [1, -1, -1, x]", "coupon_within_value has weights"),
        ("min_ratio: 0.6", "min_ratio: low", "min_ratio 'low': give a number from 0"),
        ("min_ratio: 0.6", "min_ratio: 60", "bounds that nothing meets: from 60"),
        ("kwargs: {max_empty: 0}", "kwargs: {max_empty: -1}", "max_empty -1: give a whole number from 0"),
        ("kwargs: {max_empty: 0}", "kwargs:", "files_have_rows must give kwargs max_empty"),
        ("{property: unit, value: identifier}", "{property: unit, value: ''}", "basket_id has no unit"),
        ("property: action, value: warn", "property: action, value: quarantine", "coupon_within_value.*action warn"),
        ("property: action, value: block", "property: action, value: warn", "volume.*action block"),
    ],
)
def test_what_has_no_meaning_is_refused_by_name(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ContractError, match=message) as refused:
        reader.read(edited(tmp_path, "pos_transactions", old, new))
    assert re.search(r"pos_transactions\.odcs\.yaml:\d+|line \d+", str(refused.value))


def test_a_key_given_twice_is_named_with_its_own_line(tmp_path: Path) -> None:
    path = edited(tmp_path, "stores", "status: active", "status: active\nname: Shops")
    line = path.read_text(encoding="utf-8").splitlines().index("name: Shops") + 1
    with pytest.raises(ContractError, match=rf"^stores\.odcs\.yaml:{line} is not YAML.*name given twice$"):
        reader.read(path)


def test_a_mistake_is_named_with_its_line(tmp_path: Path) -> None:
    path = edited(tmp_path, "stores", "required: true", "requred: true")
    line = next(n for n, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if "store_id" in text)
    with pytest.raises(ContractError, match=rf"^stores\.odcs\.yaml:{line}, at schema\.stores\.properties\.store_id: "):
        reader.read(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("pattern: '^(?:Under", "pattern: '^(Under", r"age_band\.pattern captures a group: write \(\?:"),
        ("pattern: '^(?:Under", "pattern: '^(?:Under(", r"age_band\.pattern is no regular expression"),
        ("value: [pattern]", "value: [range]", "warnOnly.*age_band|age_band.*warnOnly"),
    ],
)
def test_a_pattern_and_what_only_warns_are_checked(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        reader.read(edited(tmp_path, "customers", old, new))


def test_a_column_with_rules_says_why_they_matter(tmp_path: Path) -> None:
    text = (reader.FOLDER / "stores.odcs.yaml").read_text(encoding="utf-8")
    path = tmp_path / "stores.odcs.yaml"
    path.write_text(re.sub(r"\n *- property: businessImpact\n *value: .*", "", text, count=1), encoding="utf-8")
    with pytest.raises(ContractError, match=r"store_id has rules and no businessImpact"):
        reader.read(path)


@pytest.mark.parametrize("table", TABLES)
def test_every_rule_says_what_must_hold_why_and_what_follows(table: str) -> None:
    contract = reader.load(table)
    for rule in contract.rules:
        assert rule.reason
        assert rule.impact
        assert rule.action in ({"quarantine", "warn"} if rule.scope == "row" else {"block", "warn"})
        assert (rule.severity == "warning") == (rule.action == "warn")
    for column in contract.columns:
        assert column.unit
        assert column.examples, column.name
    assert {promise.property for promise in contract.promises} >= {"frequency", "retention"}


def test_a_file_is_named_after_its_table(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"stores\.odcs\.yaml describes the table 'shops': name it shops"):
        reader.read(edited(tmp_path, "stores", "  - name: stores", "  - name: shops"))


def test_the_digest_follows_the_bytes_of_the_file(tmp_path: Path) -> None:
    changed = reader.read(edited(tmp_path, "stores", "version: 2.0.0", "version: 2.0.1"))
    assert changed.digest != reader.load("stores").digest
    assert changed.label == "stores:2.0.1"


def test_reading_contracts_loads_no_heavy_library() -> None:
    script = (
        "import sys; from coupon_pipeline.contracts import reader; "
        "[reader.load(name) for name in reader.names()]; "
        "print(sorted({'pandas', 'great_expectations', 'pydantic', 'duckdb'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
