"""The connector for HTTP APIs: pages of JSON, a bearer token, and patience with limits and failures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC
from functools import partial
from typing import Any

import httpx

from coupon_pipeline.sources.delivered import TableConfig
from coupon_pipeline.sources.retrying import TransientError, retried, seconds_of
from coupon_pipeline.sources.rows import (
    NO_CELL,
    Rows,
    Window,
    cell_of,
    from_records,
    parse_json,
    stamped,
)
from coupon_pipeline.sources.source import SourceError
from coupon_pipeline.sources.starting import Starter
from coupon_pipeline.sources.systems import RestSystem, is_local

MAY_PASS = frozenset({408, 425, 429})
"""Client errors that may be gone on the next try, as all server errors may."""
HEALTH_SECONDS = 2.0


class Rest:
    """Reads the lists of one API."""

    def __init__(self, system: RestSystem, url: str, starter: Starter) -> None:
        self.system = system
        self.url = url
        self.starter = starter
        # Plain HTTP has no certificates, and reading all those of the authorities takes longer than most answers.
        self._secure = url.startswith("https:")

    def prepare(self) -> None:
        """Start the server by the system's command where it does not answer; raises SourceError."""
        if is_local(self.url):
            self.starter.serve(self.system, self._answers)

    def rows(self, table: TableConfig, window: Window) -> Rows:
        """The items whose instant lies in the week; with `arrival`, all that there are."""
        seconds = self.system.timeout_seconds
        with httpx.Client(base_url=self.url, headers=self._headers(), timeout=seconds, verify=self._secure) as client:
            items = [item for page in self._pages(client, table, self._query(table, window)) for item in page]
        cells = from_records(items, table)
        if table.known_at.column is None:
            return stamped(cells, window.last_instant)
        return Rows(cells, cells[table.known_at.column]).known_in(window, table.known_at.time)

    def before(self, table: TableConfig, window: Window) -> Rows | None:
        """Nothing: an API shows what is, not what was."""
        return None

    def inputs(self, table: TableConfig, window: Window) -> list[Any]:
        """Nothing: items known in a week that is over do not change."""
        return []

    def _pages(self, client: httpx.Client, table: TableConfig, query: dict[str, str]) -> Iterator[list[Any]]:
        """Page after page; one that fails is asked for again, those before it are not."""
        paging = self.system.paging
        query[paging.limit_param] = str(paging.limit)
        seen: set[str] = set()
        count = 0
        while True:
            body = retried(self.system.retry, partial(self._page, client, table, query))
            items = cell_of(body, self.system.items) if self.system.items else body
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                raise SourceError(f"{table.endpoint}: the answer has no list of objects at {self.system.items!r}")
            yield items
            count += len(items)
            if paging.kind == "offset":
                # Until a page is empty: a server may give less than the limit, and have more.
                if not items:
                    return
                query = {**query, paging.param: str(count)}
                continue
            cursor = cell_of(body, paging.next)
            if cursor is NO_CELL and len(items) >= paging.limit:
                raise SourceError(f"{table.endpoint}: a full page without {paging.next!r}, which names the one after")
            if cursor is NO_CELL or cursor in (None, ""):
                return
            if str(cursor) in seen:
                raise SourceError(f"{table.endpoint}: the cursor {cursor!r} comes again, so that pages never end")
            seen.add(str(cursor))
            query = {**query, paging.param: str(cursor)}

    def _page(self, client: httpx.Client, table: TableConfig, query: dict[str, str]) -> Any:
        endpoint = table.endpoint or ""
        try:
            answer = client.get(endpoint, params=query)
        except httpx.TransportError as error:
            if isinstance(error, httpx.ConnectError):
                self.prepare()
            raise TransientError(f"{self.url}{endpoint} does not answer: {error or type(error).__name__}") from error
        status = answer.status_code
        if status >= 500 or status in MAY_PASS:
            wish = seconds_of(answer.headers.get("Retry-After"))
            raise TransientError(f"{endpoint} answers {status} {answer.reason_phrase}", wish)
        if status != 200:
            hint = ": check the token" if status in (401, 403) else ""
            raise SourceError(f"{endpoint} answers {status} {answer.reason_phrase}{hint}")
        try:
            return parse_json(answer.content.decode("utf-8"))
        except ValueError as error:
            raise TransientError(f"{endpoint} answers with a page that is not whole UTF-8 JSON: {error}") from error

    def _query(self, table: TableConfig, window: Window) -> dict[str, str]:
        bounds: dict[str, str] = {}
        if table.known_at.column is not None:
            for name, instant in ((self.system.since, window.opens_at), (self.system.before, window.closes_at)):
                if name is not None:
                    bounds[name] = instant.replace(tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {**table.params, **bounds}

    def _headers(self) -> dict[str, str]:
        token = None
        if self.system.token_env is not None:
            token = os.environ.get(self.system.token_env)
            if not token:
                raise SourceError(f"no token: set the environment variable {self.system.token_env}")
        elif self.system.token_file is not None:
            path = self.starter.fill(self.system.token_file)
            try:
                token = path.read_text(encoding="utf-8").strip()
            except OSError as error:
                raise SourceError(f"no token: {path} cannot be read ({error.strerror})") from error
        return {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}

    def _answers(self) -> bool:
        """Whether a server is there, whatever it says."""
        try:
            httpx.get(f"{self.url}{self.system.health}", timeout=HEALTH_SECONDS, verify=self._secure)
        except httpx.TransportError:
            return False
        return True
