"""The chain on disk: the same content whoever kills it and when; it lives on with the coupons that were issued."""

from __future__ import annotations

import shutil
import signal
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.simulation.chains import SMALL as SETTINGS
from tests.simulation.chains import content, start, until
from tests.simulation.worlds import spec

from coupon_pipeline.simulation.catalogue import build
from coupon_pipeline.simulation.chain import Chain
from coupon_pipeline.simulation.checkpoint import BadCheckpointError, load
from coupon_pipeline.simulation.issuing import random_issues
from coupon_pipeline.simulation.living import World
from coupon_pipeline.simulation.settings import ChainSettings
from coupon_pipeline.simulation.spec import ChainError, ChainSpec

SMALL = spec(households=150, warmup_weeks=4, issue_weeks=2)


def lived(root: Path, small: ChainSpec = SMALL) -> Chain:
    chain = Chain(small, root)
    list(chain.lived(small.warmup_weeks))
    return chain


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The feeds of a chain that was never disturbed."""
    return lived(tmp_path_factory.mktemp("chain")).systems.feeds


def test_the_same_seed_gives_the_same_content_with_one_thread_or_two(history: Path, tmp_path: Path) -> None:
    """Shards of 40 households go to two threads, one shard to none."""
    sharded = spec(households=150, warmup_weeks=4, issue_weeks=2, shard=40)
    assert content(lived(tmp_path, sharded).systems.feeds) == content(history)
    assert len(content(history)) > 100


def test_another_seed_gives_other_content(history: Path, tmp_path: Path) -> None:
    other = content(lived(tmp_path, spec(households=150, warmup_weeks=4, issue_weeks=2, seed=2)).systems.feeds)
    assert other["pos/2025-01-08/store-001.csv.gz"] != content(history)["pos/2025-01-08/store-001.csv.gz"]


def test_a_week_that_is_lived_again_writes_the_same(history: Path, tmp_path: Path) -> None:
    shutil.copytree(history.parent, tmp_path / "chain")
    feeds = tmp_path / "chain" / "feeds"
    (tmp_path / "chain" / "private" / "state" / "2025-02-03.npz").unlink()
    (feeds / "closed" / "2025-01-27.json").unlink()
    shutil.rmtree(feeds / "pos" / "2025-01-29")
    assert content(feeds) != content(history)
    lived(tmp_path / "chain")
    assert content(feeds) == content(history)


def test_killed_within_weeks_it_ends_with_the_same_content(tmp_path: Path) -> None:
    calm = Chain(
        ChainSettings.model_validate(
            {**{name.lower(): value for name, value in SETTINGS.items()}, "warmup_weeks": 6}
        ).spec,
        tmp_path / "calm",
    )
    list(calm.lived(calm.spec.warmup_weeks))
    feeds = tmp_path / "stormy" / "chain" / "feeds"
    for week, seconds in (("2025-01-06", 0.05), ("2025-01-13", 0.12)):
        with start(tmp_path / "stormy", WARMUP_WEEKS="6") as stormy:
            until(lambda: (feeds / "closed" / f"{week}.json").exists())  # noqa: B023 - called at once
            time.sleep(seconds)  # a moment within the week after
            stormy.send_signal(signal.SIGKILL)
        assert not (feeds / "closed" / "2025-02-10.json").exists()
    with start(tmp_path / "stormy", WARMUP_WEEKS="6") as stormy:
        assert stormy.wait(60) == 0
    assert content(feeds) == content(calm.systems.feeds)


def test_it_lives_on_with_the_coupons_that_were_issued(history: Path, tmp_path: Path) -> None:
    weeks = {}
    for name in ("with", "without"):
        shutil.copytree(history.parent, tmp_path / name)
        chain = Chain(SMALL, tmp_path / name)
        if name == "with":
            later = replace(SMALL, warmup_weeks=5, issue_weeks=3)
            chain.issue(random_issues(World(later), 4))
        before = content(chain.systems.feeds)
        assert chain.advance() == "2025-02-03"
        after = content(chain.systems.feeds)
        assert all(after[path] == digest for path, digest in before.items() if path.startswith(("pos", "bills")))
        weeks[name] = after
        assert chain.advance() == "2025-02-10"
    assert weeks["with"]["crm.db/engagements"] != weeks["without"]["crm.db/engagements"]
    assert weeks["with"].keys() == weeks["without"].keys()


def test_issuing_twice_changes_nothing(history: Path, tmp_path: Path) -> None:
    shutil.copytree(history.parent, tmp_path / "chain")
    chain = Chain(SMALL, tmp_path / "chain")
    issues = random_issues(World(replace(SMALL, warmup_weeks=5, issue_weeks=3)), 4)
    chain.issue(issues)
    once = content(chain.systems.feeds)
    chain.issue(pa.concat_tables([issues]))
    assert content(chain.systems.feeds) == once


def test_a_chain_of_other_settings_begins_anew(history: Path, tmp_path: Path) -> None:
    shutil.copytree(history.parent, tmp_path / "chain")
    other = Chain(spec(households=150, warmup_weeks=1, issue_weeks=0, seed=9), tmp_path / "chain")
    assert not other.is_current
    assert list(other.lived(1)) == [0]
    assert other.is_current
    assert [path.name for path in (other.systems.feeds / "closed").iterdir()] == ["2025-01-06.json"]


def test_only_making_a_history_begins_anew_where_another_chain_lies(history: Path, tmp_path: Path) -> None:
    shutil.copytree(history.parent, tmp_path / "chain")
    other = Chain(replace(SMALL, seed=9), tmp_path / "chain")
    with pytest.raises(ChainError, match="has seed 1 instead of 9: set COUPON_CHAIN_SEED back, or begin it anew"):
        other.check_settings()
    with pytest.raises(ChainError, match="begin it anew with `make simulate`"):
        other.advance()
    assert content(tmp_path / "chain" / "feeds") == content(history)
    Chain(SMALL, tmp_path / "chain").check_settings()
    Chain(SMALL, tmp_path / "nowhere").check_settings()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"products": 100}, "products is 100: 24 categories need at least 384"),
        ({"first_week": date(2025, 1, 7)}, "first_week is 2025-01-07: give a Monday"),
        ({"issue_weeks": 9}, "issue_weeks is 9: give at most warmup_weeks, 4"),
        ({"wave_coupons": 500}, "wave_coupons is 500: there are 192 brands"),
        ({"stores": 0}, "must be at least 1"),
    ],
)
def test_a_chain_that_cannot_be_is_refused_in_one_line(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ChainError, match=told):
        replace(SMALL, **change)


@pytest.mark.parametrize(("products", "categories"), [(384, 24), (400, 24), (2_400, 150)])
def test_every_number_of_products_that_is_allowed_can_be_shared_out(products: int, categories: int) -> None:
    made = build(replace(SMALL, products=products, categories=categories))
    assert len(made.category) == products
    assert np.bincount(made.category).min() >= 16


def test_a_damaged_checkpoint_is_named(history: Path, tmp_path: Path) -> None:
    path = tmp_path / "2025-01-27.npz"
    path.write_bytes((history.parent / "private" / "state" / path.name).read_bytes()[:5_000])
    with pytest.raises(BadCheckpointError, match=r"2025-01-27\.npz cannot be read .* delete it"):
        load(path)
