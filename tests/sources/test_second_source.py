"""A grocer of another kind is read by one YAML file, and its rows keep the contracts.

Its columns have other names and its ids are text; it sells in files with semicolons and decimal commas, keeps stores in
full dumps and products in a database without dates, and counts the pages of its customers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from assets.clean import publish
from assets.pipeline import Pipeline
from tests.sources.grocer import Api, serving, write_csv

from coupon_pipeline.contracts import reader
from coupon_pipeline.settings import Settings
from coupon_pipeline.sources.connected import Connected
from coupon_pipeline.sources.ledgered import systems_of

WEEKS = ("2025-03-03", "2025-03-10")
SALES_PER_DAY = 150
CUSTOMERS = 25

YAML = """
name: corner
currency: EUR
calendar: {timezone: Europe/Berlin, first: 2025-03-03, last: 2025-03-10}
assumptions: {consent: "whoever has a card has agreed to get coupons"}
systems:
  drop: {kind: files, root: "{data}/drop"}
  office: {kind: sql, url: "sqlite:///{data}/office.db"}
  club:
    kind: rest
    url_env: CLUB_URL
    token_env: CLUB_TOKEN
    items: data.members
    paging: {kind: offset, param: skip, limit_param: limit, limit: 10}
tables:
  pos_transactions:
    system: drop
    delimiter: ";"
    encoding: cp1252
    decimal: comma
    known_at: {path: 'Umsatz_(?P<day>[0-9-]{10})\\.csv'}
    required_days: true
    columns:
      basket_id: {column: Bon, id: basket}
      line: Pos
      store_id: {column: Filiale, id: store}
      household_id: {column: Karte, id: household}
      product_id: {column: Artikel, id: product}
      line_kind: {column: Art, values: {V: sale, R: return, S: void}}
      quantity: Menge
      gross_cents: {column: Brutto, money: major}
      retail_discount_cents: {column: Rabatt, money: major}
      coupon_discount_cents: {constant: "0"}
      match_discount_cents: {constant: "0"}
      sold_at: {column: Zeit, time: local, format: "%d.%m.%Y %H:%M"}
  stores:
    system: drop
    delimiter: ";"
    delivery: full
    known_at: {path: 'Filialen_(?P<day>[0-9-]{10})\\.csv'}
    columns:
      store_id: {column: Filiale, id: store}
      region: Gebiet
  products:
    system: office
    query: select nr, text, warengruppe from artikel where gesperrt = 0
    delivery: full
    known_at: {arrival: true}
    columns:
      product_id: {column: nr, id: product}
      name: text
      category: warengruppe
  customers:
    system: club
    endpoint: /members
    known_at: {column: since, time: local}
    columns:
      household_id: {column: card, id: household}
      joined_at: joined
      marketing_consent: {column: consent, values: {ja: "true", nein: "false"}}
      age_band: {column: person.age, optional: true}
"""


class Members(Api):
    """Puts the list where this API has it, and pages by `skip`."""

    def answer(self, path: str, query: dict[str, str], authorization: str | None) -> tuple[int, dict[str, str], bytes]:
        if "skip" in query:
            query = {**query, "offset": query["skip"]}
        status, headers, body = super().answer(path, query, authorization)
        return status, headers, b'{"data": {"members": ' + body + b"}}" if status == 200 else body


def write_drop(folder: Path) -> None:
    for number in range(14):
        day = datetime(2025, 3, 3) + timedelta(days=number)
        lines = [
            (f"B{number}-{sale}", "1", "Köln 1", f"K{sale % CUSTOMERS:03}" if sale % 3 else "", f"A{sale % 40}", "V",
             "1", f"{sale % 9},{sale % 100:02}", "0,00", f"{day:%d.%m.%Y} {8 + sale % 12:02}:30")
            for sale in range(SALES_PER_DAY)
        ]  # fmt: skip
        header = ("Bon", "Pos", "Filiale", "Karte", "Artikel", "Art", "Menge", "Brutto", "Rabatt", "Zeit")
        write_csv(folder / f"Umsatz_{day:%Y-%m-%d}.csv", [header, *lines], ";", "cp1252")
    for day, area in (("2025-03-03", "Nord"), ("2025-03-12", "West")):
        write_csv(folder / f"Filialen_{day}.csv", [("Filiale", "Gebiet"), ("Köln 1", area), ("Bonn 2", "Süd")], ";")


@pytest.fixture
def corner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    data = tmp_path / "data"
    write_drop(data / "drop")
    with closing(sqlite3.connect(data / "office.db")) as office, office:
        office.execute("create table artikel (nr text, text text, warengruppe text, gesperrt integer)")
        office.executemany("insert into artikel values (?, ?, 'MOPRO', 0)", [(f"A{n}", f"Käse {n}") for n in range(40)])
    members = [
        {"card": f"K{n:03}", "joined": "2024-01-05", "consent": "ja", "since": "2025-03-03T00:00:00", "person": {}}
        for n in range(CUSTOMERS)
    ]
    (tmp_path / "corner.yaml").write_text(YAML, encoding="utf-8")
    api = Members({"/members": [*members, {**members[3], "consent": "nein", "since": "2025-03-16T23:59:59"}]})
    api.paging, api.token = "offset", "tok"
    with serving(api):
        monkeypatch.setenv("CLUB_URL", api.url)
        monkeypatch.setenv("CLUB_TOKEN", "tok")
        yield Pipeline(Settings(data=data, source="corner", source_config=tmp_path / "corner.yaml"))


def test_every_row_of_a_source_of_another_kind_is_clean(corner: Pipeline) -> None:
    source, store = corner.source, corner.store
    assert set(source.tables()[-1:]) == {"pos_transactions"}
    for table in source.tables():
        for week in WEEKS:
            store.write("raw", table, week, source.read(table, week), source.fingerprint(table, week))
        summaries = publish(corner, reader.load(table), WEEKS)
        assert [(found.passed, found.quarantined) for found in summaries] == [(True, 0), (True, 0)], table

    def clean(table: str, week: str) -> pa.Table:
        return store.read("clean", table, week)

    sales = clean("pos_transactions", WEEKS[0])
    assert sales.num_rows == 7 * SALES_PER_DAY
    sale = sales.slice(20, 1).to_pylist()[0]
    assert (sale["gross_cents"], sale["line_kind"], sale["till_id"]) == (220, "sale", None)
    # In Berlin the clocks are an hour ahead.
    assert sale["sold_at"] == datetime(2025, 3, 3, 15, 30)
    assert [clean("stores", week)["region"].to_pylist() for week in WEEKS] == [["Nord", "Süd"], ["West"]]
    assert [clean("products", week).num_rows for week in WEEKS] == [40, 0]
    assert [clean("customers", week).num_rows for week in WEEKS] == [CUSTOMERS, 1]
    assert clean("customers", WEEKS[1])["marketing_consent"].to_pylist() == [False]

    systems = systems_of(source)
    assert isinstance(systems, Connected)
    card = clean("customers", WEEKS[1])["household_id"].to_pylist()
    assert systems.identifiers.texts("household", card) == ["K003"]
    assert set(card) <= set(sales["household_id"].to_pylist())


def test_reading_again_gives_the_same_rows(corner: Pipeline) -> None:
    for table in corner.source.tables():
        first = [corner.source.read(table, week) for week in WEEKS]
        again = Pipeline(corner.settings).source
        assert [again.read(table, week) for week in WEEKS] == first
        assert [again.fingerprint(table, week) for week in WEEKS] == [
            corner.source.fingerprint(table, week) for week in WEEKS
        ]
