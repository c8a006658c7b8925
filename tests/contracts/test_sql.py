"""A contract in the words of databases says the same as its Arrow schema."""

from __future__ import annotations

import duckdb
import pytest

from coupon_pipeline.contracts import arrow, reader, sql


@pytest.mark.parametrize("table", reader.names())
def test_the_statement_makes_a_table_of_the_types_and_nulls_of_the_contract(table: str) -> None:
    contract = reader.load(table)
    with duckdb.connect() as database:
        database.execute(sql.ddl(contract))
        made = database.sql(f"select * from {table}").to_arrow_table().schema
        assert [(field.name, field.type) for field in made] == [
            (field.name, field.type) for field in arrow.schema(contract)
        ]
        rows = database.sql(
            f"select column_name, is_nullable, comment from duckdb_columns() where table_name = '{table}'"
        ).fetchall()
    required = {column.name for column in contract.columns if column.required} | set(contract.unique_key)
    assert {name for name, nullable, _ in rows if not nullable} == required
    assert {name: comment for name, _, comment in rows} == {one.name: one.description for one in contract.columns}


def test_a_value_that_the_contract_does_not_allow_is_refused() -> None:
    with duckdb.connect() as database:
        database.execute(sql.ddl(reader.load("engagements")))
        with pytest.raises(duckdb.ConstraintException):
            database.execute("insert into engagements by name select 1 as issue_id, 'app' as channel, 'lost' as event")


@pytest.mark.parametrize("table", reader.names())
def test_ibis_knows_the_types_of_the_clean_files(table: str) -> None:
    contract = reader.load(table)
    assert sql.ibis_schema(contract).to_pyarrow().equals(arrow.schema(contract), check_metadata=False)
