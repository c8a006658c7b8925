"""The service over a real socket: answers, probes, documents, and a new bundle while requests go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import pytest

from serving.recommender import recommend
from serving.schemas import RecommendRequest
from tests.serving.conftest import Reply, Server, running, until
from tests.serving.world import ledger, prepare
from tests.snapshot.factory import UNCONSENTED, content

from coupon_pipeline.ledger.records import Definitions
from coupon_pipeline.snapshot.bundle import open_bundle
from coupon_pipeline.snapshot.write import write

FORBIDDEN = (
    "pandas pyarrow dagster mlflow lightgbm great_expectations ibis duckdb sklearn matplotlib scipy numba alembic"
)

LEAN = """
import asyncio, sys
from pathlib import Path
from serving.asgi import create_app
from coupon_pipeline.settings import Settings

async def main():
    sent, asked = [], [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    done, closing = asyncio.Event(), asyncio.Event()
    app = create_app(Settings(data=Path(sys.argv[1]), source="synthetic"))

    async def lifespan():
        if len(asked) == 1:
            await closing.wait()
        return asked.pop(0)

    async def started(message):
        done.set()

    life = asyncio.create_task(app({"type": "lifespan"}, lifespan, started))
    await done.wait()
    body = [{"type": "http.request", "body": b'{"household_id": "1"}', "more_body": False}]

    async def receive():
        return body.pop() if body else await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": "/recommend", "raw_path": b"/recommend",
             "query_string": b"", "root_path": "", "scheme": "http", "server": ("x", 1), "client": ("x", 1),
             "headers": [(b"content-type", b"application/json"), (b"host", b"x")]}
    await app(scope, receive, send)
    closing.set()
    await life
    assert sent[0]["status"] == 200 and b"decision_id" in sent[1]["body"], sent

asyncio.run(main())
print(*sorted(set(sys.argv[2].split()) & set(sys.modules)))
"""


CLIENT = """
import sys
import bentoml

with bentoml.SyncHTTPClient(sys.argv[1]) as client:
    answer = client.recommend({"household_id": "1"})
    print(client.request("GET", "/readyz").status_code, bool(answer["offers"]))
"""


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own with two workers, whose bundles and consents a test may change."""
    data = tmp_path_factory.mktemp("changing")
    prepare(data)
    with running(data, workers=2) as started:
        yield started


def test_the_answer_is_that_of_the_recommender(server: Server) -> None:
    bundle = open_bundle(server.root)
    reply = server.post("/recommend", {"household_id": "1"})
    answer = reply.json
    assert reply.headers["content-type"] == "application/json"
    assert len(answer.pop("request_id")) == 32
    assert answer == recommend(bundle, RecommendRequest(household_id="1"), bundle.decided_at)
    assert answer["offers"]


def test_every_request_has_its_own_id(server: Server) -> None:
    ids = {server.post("/recommend", {"household_id": "1"}).json["request_id"] for _ in range(3)}
    assert len(ids) == 3


def test_an_unknown_household_gets_popular_offers(server: Server) -> None:
    answer = server.post("/recommend", {"household_id": "nobody"}).json
    assert answer["degraded"] is True
    assert answer["offers"]


def test_a_household_without_consent_gets_none(server: Server) -> None:
    assert server.post("/recommend", {"household_id": str(UNCONSENTED)}).json["reason"] == "no_marketing_consent"


def test_scores_come_in_the_order_of_the_pairs(server: Server) -> None:
    pairs = [{"household_id": "99", "coupon_id": "10"}, {"household_id": "1", "coupon_id": "20"}]
    scores = server.post("/score", {"pairs": pairs}).json["scores"]
    assert scores[0] is None
    assert 0 < scores[1] < 1


def test_probes_page_and_documents_answer(server: Server) -> None:
    for path in ("/livez", "/readyz", "/", "/docs.json", "/schema.json", "/static_content/index.css"):
        assert server.get(path).status == 200, path
    documents = server.get("/docs.json").json
    assert {"/recommend", "/score"} <= set(documents["paths"])
    assert "reasons" in documents["components"]["schemas"]["Offer"]["properties"]


def test_metrics_count_by_named_path_only(server: Server) -> None:
    server.post("/recommend", {"household_id": "1"})
    for n in range(20):
        server.get(f"/unknown-{n}")
    text = server.get("/metrics").body.decode()
    assert 'endpoint="/recommend"' in text
    assert 'service_name="coupon_service"' in text
    assert "unknown-" not in text


def test_answers_do_not_name_the_software(server: Server) -> None:
    for reply in (server.get("/livez"), server.post("/recommend", {"household_id": "1"}), server.get("/nowhere")):
        assert "server" not in reply.headers


def test_bentomls_own_client_works(server: Server) -> None:
    """In a process of its own: what BentoML imports warns, and warnings are errors here."""
    assert script(CLIENT, f"http://127.0.0.1:{server.port}") == "200 True"


def test_a_new_bundle_is_served_without_a_failed_request_or_a_mixed_answer(changing: Server) -> None:
    old = open_bundle(changing.root).version
    replies: list[Reply] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            replies.append(changing.post("/recommend", {"household_id": "1"}))

    clients = [threading.Thread(target=ask) for _ in range(3)]
    for client in clients:
        client.start()
    try:
        new = write(changing.root, content(seed=1, model_version="8"))
        until(lambda: replies and replies[-1].json["bundle_version"] == new)
    finally:
        stop.set()
        for client in clients:
            client.join()
    assert {reply.status for reply in replies} == {200}
    assert {(reply.json["bundle_version"], reply.json["model_version"]) for reply in replies} == {
        (old, "7"),
        (new, "8"),
    }


def test_a_worker_that_dies_is_replaced_and_nothing_is_lost(changing: Server) -> None:
    def workers() -> set[int]:
        """Those of its children that answer; the resource tracker of Python is one more child."""
        children = Path(f"/proc/{changing.pid}/task/{changing.pid}/children").read_text().split()
        return {int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()}

    before = workers()
    assert len(before) == 2
    issue = {"household_id": "2", "coupon_id": "10", "channel": "app"}
    told = changing.coupons("shop", "issue", issue, "issued-before").json
    os.kill(min(before), signal.SIGKILL)
    until(lambda: len(workers()) == 2 and min(before) not in workers())
    replies = []

    def answers() -> bool:
        try:
            replies.append(changing.coupons("shop", "issue", issue, "issued-before").json)
        except (OSError, HTTPException):
            return False  # the connection was one of the worker that died
        return len(replies) >= 20

    until(answers)
    assert all(reply == told | {"replay": True} for reply in replies)


def test_a_household_that_has_withdrawn_consent_since_gets_none(changing: Server) -> None:
    def asked(household: str) -> dict[str, object]:
        return changing.post("/recommend", {"household_id": household}).json

    assert asked("1")["offers"]
    with ledger(changing.settings) as opened:
        opened.sync(Definitions(consents={1: False}))
    assert (asked("1")["offers"], asked("1")["reason"]) == ([], "no_marketing_consent")
    assert asked("2")["offers"]
    with ledger(changing.settings) as opened:
        opened.sync(Definitions(consents={1: True}))
    assert asked("1")["offers"]


def test_a_damaged_new_bundle_leaves_the_old_one_serving(tmp_path: Path) -> None:
    prepare(tmp_path)
    # One worker: another one might still be starting, and would have no old bundle.
    with running(tmp_path) as alone:
        before = alone.post("/recommend", {"household_id": "1"}).json["bundle_version"]
        (alone.root / "current.json").write_text('{"version": "../../etc"}')
        until(lambda: "is not a bundle version" in alone.errors.read_text())
        assert alone.get("/readyz").status == 200
        assert alone.post("/recommend", {"household_id": "1"}).json["bundle_version"] == before


NO_BUNDLE = """
import sys
from pathlib import Path
from starlette.testclient import TestClient
from serving.asgi import create_app
from serving.api_keys import development_file, development_token
from serving.process import process
from coupon_pipeline.ledger.opening import open_ledger
from coupon_pipeline.ledger.records import CampaignTerms, CouponTerms, Definitions
from coupon_pipeline.settings import Settings

settings = Settings(data=Path(sys.argv[1]), source="synthetic")
head = {"authorization": "Bearer " + development_token(development_file(settings)).decode()}
with TestClient(create_app(settings)) as client:
    replies = [client.get("/livez"), client.get("/readyz"), client.post("/recommend", json={"household_id": "1"})]
    print(*[reply.status_code for reply in replies], replies[1].json()["code"], replies[2].json()["code"])
    issue = {"household_id": "1", "coupon_id": "10", "channel": "app"}
    asked = lambda key: client.post("/v1/coupons/issue", json=issue, headers=head | {"idempotency-key": key})
    reply = asked("before-any-fact")
    print(reply.status_code, reply.json()["code"], reply.headers["retry-after"])
    with open_ledger(settings.ledger, settings.ledger_key_file, "development", lambda: 10**12) as ledger:
        coupon = CouponTerms(10, 1, 150, 10**12 - 1, 10**12 + 10**9)
        ledger.sync(Definitions((CampaignTerms(1),), (coupon,), {1: True, 2: True}))
        ledger.issue("office", "first-fact", 2, 10, "app")
    print(asked("after-a-fact").status_code)
    process().desk.ledger().close()
    replies = [asked(f"without-database-{n}") for n in range(3)]
    print(*[reply.json()["code"] for reply in replies], client.get("/readyz").json()["code"], client.get("/livez"))
"""


def script(code: str, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


def test_without_a_bundle_it_is_not_ready_but_serves_coupons_once_a_fact_tells_the_time(tmp_path: Path) -> None:
    assert script(NO_BUNDLE, str(tmp_path)).splitlines() == [
        "200 503 503 no_bundle no_bundle",
        "503 unavailable 5",
        "200",
        "unavailable unavailable unavailable ledger_failing <Response [200 OK]>",
    ]


def test_answering_takes_none_of_the_pipelines_heavy_packages(tmp_path: Path) -> None:
    prepare(tmp_path)
    assert script(LEAN, str(tmp_path), FORBIDDEN) == ""


PRODUCTION = """
from serving.asgi import routes
from coupon_pipeline.settings import Settings

for environment in ("development", "production"):
    found = routes(Settings(environment=environment))
    print(*[",".join(found[path].roles) or "anybody" for path in ("/recommend", "/score", "/readyz")])
"""


def test_offers_and_scores_need_a_key_in_production_alone() -> None:
    assert script(PRODUCTION).splitlines() == ["anybody anybody anybody", "till,app app,batch anybody"]
