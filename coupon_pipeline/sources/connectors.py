"""Opens the connector of each system of a source when it is first needed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from coupon_pipeline.sources.files import Files
from coupon_pipeline.sources.rest import Rest
from coupon_pipeline.sources.rows import Connector
from coupon_pipeline.sources.source import SourceError
from coupon_pipeline.sources.sql import Sql
from coupon_pipeline.sources.starting import Starter
from coupon_pipeline.sources.systems import AnySystem, FilesSystem, RestSystem, SqlSystem


class Connectors:
    """The connectors of one source; `{data}` in a path or URL is the folder of all data."""

    def __init__(self, systems: Mapping[str, AnySystem], data: Path, folder: Path) -> None:
        self.systems = systems
        self.data = data
        self.starter = Starter(folder, self.path)
        self._open: dict[str, Connector] = {}

    def of(self, name: str) -> Connector:
        """The connector of a system; raises SourceError where it has no address."""
        if name not in self._open:
            self._open[name] = self._opened(self.systems[name])
        return self._open[name]

    def filled(self, text: str) -> str:
        """A text of the YAML file with `{data}` filled in."""
        return text.replace("{data}", str(self.data))

    def path(self, text: str) -> Path:
        """A path of the YAML file."""
        return Path(self.filled(text))

    def _opened(self, system: AnySystem) -> Connector:
        if isinstance(system, FilesSystem):
            return Files(system, self.path(system.root), self.starter)
        if isinstance(system, SqlSystem):
            return Sql(system, self._url(system), self.starter)
        return Rest(system, self._url(system).rstrip("/"), self.starter)

    def _url(self, system: SqlSystem | RestSystem) -> str:
        given = os.environ.get(system.url_env) if system.url_env else None
        url = given or system.url
        if url is None:
            raise SourceError(f"no URL: set the environment variable {system.url_env}")
        return self.filled(url)
