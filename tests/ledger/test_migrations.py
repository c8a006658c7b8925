"""Migrations make the tables of the schema on both databases, and move them with all that they hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from tests.ledger.filled import content, fill
from tests.ledger.servers import Server

from coupon_pipeline.ledger import moves, triggers
from coupon_pipeline.ledger.locations import located
from coupon_pipeline.ledger.opening import HEAD, REVISIONS, move_database, open_database
from coupon_pipeline.ledger.schema import METADATA

HOLDS = ("held_by", "held_idem", "held_until")
TRIGGERS = {
    "sqlite": "select name from sqlite_master where type = 'trigger'",
    "postgresql": "select tgname from pg_trigger where not tgisinternal",
}
LEFT = {
    "sqlite": "select name from sqlite_master where name not like 'sqlite_%' and name not like '%alembic%'",
    "postgresql": "select relname from pg_class where relnamespace = 'public'::regnamespace and relname not like "
    "'%alembic%' union all select proname from pg_proc where pronamespace = 'public'::regnamespace",
}


def described(engine: sa.Engine) -> dict[str, Any]:
    """Columns, keys, checks and indexes of all tables, as the database tells them."""
    found: dict[str, Any] = {}
    inspector = sa.inspect(engine)
    for table in METADATA.tables:
        columns = [(each["name"], str(each["type"]), each["nullable"]) for each in inspector.get_columns(table)]
        checks = sorted((str(each["name"]), each["sqltext"]) for each in inspector.get_check_constraints(table))
        indexes = sorted(index_of(each) for each in inspector.get_indexes(table))
        keys = [inspector.get_pk_constraint(table), inspector.get_foreign_keys(table)]
        unique = [each["column_names"] for each in inspector.get_unique_constraints(table)]
        found[table] = (columns, checks, indexes, keys, unique)
    return found


def index_of(found: Any) -> str:
    options = {name: str(value) for name, value in found.get("dialect_options", {}).items()}
    return f"{found['name']} on {found['column_names']}, unique {found['unique']}, {options}"


def names(engine: sa.Engine, statements: dict[str, str]) -> set[str]:
    with engine.connect() as connection:
        return set(connection.scalars(sa.text(statements[engine.dialect.name])))


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    """To a database that was migrated."""
    engine = moves.engine_for(located(url))
    yield engine
    engine.dispose()


@pytest.fixture
def model(engine: sa.Engine, postgresql_server: Server) -> Iterator[sa.Engine]:
    """To a database that was made from the schema at once."""
    if engine.dialect.name == "sqlite":
        made = sa.create_engine("sqlite://")
        METADATA.create_all(made)
        yield made
        made.dispose()
        return
    with postgresql_server.database(migrated=False) as url:
        made = moves.engine_for(located(url))
        METADATA.create_all(made)
        yield made
        made.dispose()


def test_the_migrations_come_to_the_schema(engine: sa.Engine, model: sa.Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        differences = [each for each in compare_metadata(context, METADATA) if "alembic_version" not in str(each)]
    assert differences == []
    assert described(engine) == described(model)


def test_every_rule_is_a_trigger(engine: sa.Engine) -> None:
    emptied = {f"{rule.table}_emptied" for rule in triggers.RULES} if engine.dialect.name == "postgresql" else set()
    assert names(engine, TRIGGERS) == {rule.name for rule in triggers.RULES} | emptied


def test_down_and_up_again_keeps_all_data_but_the_holds(url: str) -> None:
    with closing(open_database(url)) as database:
        fill(database)
        before = content(database, without=HOLDS)
    for revision in (REVISIONS[0], HEAD):
        move_database(url, revision)
    with closing(open_database(url, migrate=False)) as database:
        assert content(database, without=HOLDS) == before


def test_down_to_the_first_revision_keeps_the_rules(url: str, engine: sa.Engine) -> None:
    rules = names(engine, TRIGGERS)
    move_database(url, REVISIONS[0])
    assert names(engine, TRIGGERS) == rules
    assert "held_by" not in {column["name"] for column in sa.inspect(engine).get_columns("issue")}


def test_nothing_is_left_behind_the_first_revision_and_all_comes_back(url: str, engine: sa.Engine) -> None:
    everything = names(engine, LEFT)
    moves.move(located(url), "base")
    assert names(engine, LEFT) == set()
    moves.move(located(url), "head")
    assert names(engine, LEFT) == everything


def test_a_move_that_fails_half_way_leaves_nothing(bare_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    create = triggers.create
    monkeypatch.setattr(triggers, "create", lambda dialect: [*create(dialect), "create trigger nonsense"])
    with pytest.raises(Exception, match=r"syntax|incomplete"):
        open_database(bare_url)
    engine = moves.engine_for(located(bare_url))
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()


def test_the_folder_of_migrations_is_found_without_an_ini_file() -> None:
    assert moves.revisions() == REVISIONS
    assert moves.configuration().config_file_name is None
