"""Models: labelled rows of past campaigns, the trained challenger, and the champion that the gates let through."""

import base64
from pathlib import Path

import dagster as dg

from assets.graph import Graph, plain_failures
from assets.pipeline import Pipeline
from models import gates, training
from models.dataset import inputs, path_of
from models.registry import Registry

from coupon_pipeline.features.sets import REDEMPTION

OWNERS = ["team:machine-learning"]
PLOTS = ("gains.png", "reliability.png", "comparison.png")


def training_rows(graph: Graph) -> dg.AssetsDefinition:
    """The asset models/training_rows."""

    @dg.asset(
        key=graph.key("models", "training_rows"),
        deps=[graph.erasures, *(graph.judged(name) for name in inputs(graph.tables))],
        group_name="models",
        kinds={"ibis", "duckdb"},
        owners=OWNERS,
        description="Every pair that a closed campaign offered, with its features as of the start and its label.",
    )
    def build(pipeline: dg.ResourceParam[Pipeline]) -> dg.MaterializeResult:
        with plain_failures():
            parts = training.development_split(pipeline.store, pipeline.plan)
            rows = training.training_rows(pipeline.store, (*parts.training, *parts.test), REDEMPTION)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": rows.num_rows,
                "dagster/uri": str(path_of(pipeline.store, parts.first_test, REDEMPTION).parents[1]),
                "training_campaigns": [campaign.campaign_id for campaign in parts.training],
                "test_campaigns": parts.test_ids,
                "feature_hash": REDEMPTION.hash,
            }
        )

    return build


def redemption_model(graph: Graph) -> dg.AssetsDefinition:
    """The asset models/redemption."""

    @dg.asset(
        key=graph.key("models", "redemption"),
        deps=[graph.key("models", "training_rows")],
        group_name="models",
        kinds={"lightgbm", "mlflow"},
        owners=OWNERS,
        description="P(redeemed within validity | issued): trained, tested on later campaigns, and registered.",
    )
    def train(context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]) -> dg.MaterializeResult:
        with plain_failures():
            store, registry = pipeline.store, Registry(pipeline.settings)
            parts = training.development_split(store, pipeline.plan)
            tags = {"dagster_run": context.run.run_id}
            trained, report = training.train(store, registry, parts, REDEMPTION, pipeline.recipe, tags)
            plots = Path(registry.download(trained.run_id, store.root / "models" / "plots"))
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(report.labels),
                "model_version": trained.version,
                "mlflow_run": trained.run_id,
                "metrics": dg.MetadataValue.md(metrics_table(trained.metrics)),
                **{name.removesuffix(".png"): _picture(plots / name) for name in PLOTS},
            }
        )

    return train


def champion(graph: Graph) -> dg.AssetsDefinition:
    """The asset models/champion."""

    @dg.asset(
        key=graph.key("models", "champion"),
        deps=[graph.key("models", "redemption")],
        group_name="models",
        kinds={"mlflow"},
        owners=OWNERS,
        description="The registered model that decides: a challenger takes its place only through every gate.",
    )
    def judge(pipeline: dg.ResourceParam[Pipeline]) -> dg.MaterializeResult:
        with plain_failures():
            store, registry = pipeline.store, Registry(pipeline.settings)
            trained = training.last_trained(store)
            parts = training.development_split(store, pipeline.plan)
            findings = training.gate(store, registry, parts, pipeline.plan, REDEMPTION, trained)
            if not gates.passed(findings):
                raise dg.Failure(description=training.refusal(trained, findings), allow_retries=False)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(findings),
                "champion": training.champion(registry, REDEMPTION).version,
                "gates": dg.MetadataValue.md(gates_table(findings)),
            }
        )

    return judge


def metrics_table(metrics: dict[str, dict[str, float]]) -> str:
    """Metrics as a markdown table: one row per metric, one column per model."""
    names = list(metrics)
    keys = list(metrics["redemption"])
    head = f"| metric | {' | '.join(names)} |\n|---|{'---|' * len(names)}\n"
    cells = [[f"{metrics[name][key]:.4f}" if key in metrics[name] else "" for name in names] for key in keys]
    return head + "\n".join(f"| {key} | {' | '.join(row)} |" for key, row in zip(keys, cells, strict=True))


def gates_table(findings: list[gates.Gate]) -> str:
    """Findings as a markdown table."""
    rows = [f"| {g.name} | {'passed' if g.passed else 'FAILED'} | {g.finding} |" for g in findings]
    return "| gate | verdict | finding |\n|---|---|---|\n" + "\n".join(rows)


def _picture(path: Path) -> dg.MarkdownMetadataValue:
    data = base64.b64encode(path.read_bytes()).decode()
    return dg.MetadataValue.md(f"![{path.stem}](data:image/png;base64,{data})")
