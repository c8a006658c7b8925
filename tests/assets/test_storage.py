"""The history that runs write in batches is the one that Dagster writes and reads."""

import shutil
import warnings
from pathlib import Path

import dagster as dg
import pytest

from assets import storage

ROOT = Path(__file__).parents[2]
WEEKS = dg.StaticPartitionsDefinition(["2025-03-03", "2025-03-10", "2025-03-17"])
RANGE = {"dagster/asset_partition_range_start": "2025-03-03", "dagster/asset_partition_range_end": "2025-03-17"}
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
KEY = dg.AssetKey("sales")


@pytest.fixture
def job() -> dg.JobDefinition:
    with warnings.catch_warnings():
        # Dagster calls the policy beta.
        warnings.simplefilter("ignore", dg.BetaWarning)

        @dg.asset(partitions_def=WEEKS, backfill_policy=dg.BackfillPolicy.single_run())
        def sales(context: dg.AssetExecutionContext) -> None:
            for number, week in enumerate(context.partition_keys):
                context.add_asset_metadata({"dagster/row_count": number}, partition_key=week)

    definitions = dg.Definitions(assets=[sales], jobs=[dg.define_asset_job("backfill")])
    return definitions.resolve_job_def("backfill")


def told(instance: dg.DagsterInstance) -> dict[str | None, object]:
    found = {}
    for record in instance.fetch_materializations(KEY, limit=10).records:
        assert record.asset_materialization is not None
        found[record.partition_key] = record.asset_materialization.metadata["dagster/row_count"].value
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    return tmp_path


def test_every_week_of_a_range_is_recorded_and_dagster_itself_reads_it(folder: Path, job: dg.JobDefinition) -> None:
    with storage.instance(folder) as instance:
        result = job.execute_in_process(instance=instance, tags=RANGE, run_config=QUIET)
        assert result.success
        run = [entry.dagster_event_type for entry in instance.all_logs(result.run_id)]
    with dg.DagsterInstance.from_config(str(folder)) as plain:
        assert told(plain) == {"2025-03-03": 0, "2025-03-10": 1, "2025-03-17": 2}
        assert plain.get_materialized_partitions(KEY) == set(WEEKS.get_partition_keys())
        assert run.count(dg.DagsterEventType.ASSET_MATERIALIZATION) == 3
        assert [entry.dagster_event_type for entry in plain.all_logs(result.run_id)] == run
        newest = plain.get_latest_materialization_event(KEY)
        assert newest is not None
        assert newest.run_id == result.run_id


def test_what_dagster_has_written_stays_readable(folder: Path, job: dg.JobDefinition) -> None:
    with dg.DagsterInstance.from_config(str(folder)) as plain:
        job.execute_in_process(instance=plain, tags=RANGE, run_config=QUIET)
    with storage.instance(folder) as instance:
        assert len(told(instance)) == 3


def test_another_storage_is_left_as_it_is(folder: Path) -> None:
    settings = (folder / "dagster.yaml").read_text(encoding="utf-8")
    (folder / "dagster.yaml").write_text(settings.replace("storage: {sqlite: {base_dir: .dagster}}", ""))
    with storage.instance(folder) as instance:
        assert not isinstance(instance.event_log_storage, storage.BatchingEventLog)
