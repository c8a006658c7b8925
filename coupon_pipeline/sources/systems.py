"""Systems of a source's YAML file: folders of files, databases and HTTP APIs."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

LOOPBACK = ("localhost", "127.0.0.1", "::1", None)
"""Host names of this machine; a URL without one names a socket or a file."""


class Strict(BaseModel):
    """A part of the file that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Retry(Strict):
    """How often a system is asked again, and how long after the first and after later failures."""

    attempts: PositiveInt = 8
    first_seconds: NonNegativeFloat = 0.5
    most_seconds: NonNegativeFloat = 30.0


class System(Strict):
    """What all systems may have."""

    start: tuple[str, ...] = ()
    """Command that starts or makes a system on this machine that is not there; `python` is this interpreter."""
    start_seconds: PositiveFloat = 120.0
    """How long a server that was started may take until it answers."""
    ready: str | None = None
    """File without which the system is not there yet, whatever else is."""
    retry: Retry = Retry()

    def identity(self) -> dict[str, object]:
        """What decides which rows the system delivers."""
        return self.model_dump(mode="json", exclude={"start", "start_seconds", "ready", "retry", "timeout_seconds"})


class FilesSystem(System):
    """Files that another system drops into a folder."""

    kind: Literal["files"]
    root: str


class SqlSystem(System):
    """A database: `sqlite:///<path>` or `postgresql://...`."""

    kind: Literal["sql"]
    url: str | None = None
    url_env: str | None = None
    """Environment variable whose URL, where it is set, goes before `url`: the place for a password."""
    timeout_seconds: PositiveFloat = 10.0
    """How long to wait for a connection or a lock."""

    @model_validator(mode="after")
    def _has_a_url(self) -> Self:
        _check_url(self.url, self.url_env, self.start)
        return self


class Paging(Strict):
    """How an API cuts its answer into pages."""

    kind: Literal["cursor", "offset"] = "cursor"
    param: str = "cursor"
    """Parameter that names the page: the cursor, or the number of items before it."""
    next: str = "next"
    """Path of the next page's cursor in the answer; null on the last page."""
    limit_param: str = "limit"
    limit: PositiveInt = 1000


class RestSystem(System):
    """An HTTP API that answers with JSON."""

    kind: Literal["rest"]
    url: str | None = None
    url_env: str | None = None
    """Environment variable whose URL, where it is set, goes before `url`."""
    token_env: str | None = None
    """Environment variable that holds the bearer token."""
    token_file: str | None = None
    """File that holds the bearer token."""
    health: str = "/"
    """Path that a server which was started is asked for until it answers."""
    items: str = "items"
    """Path of the list of items in the answer; empty where the answer itself is the list."""
    since: str | None = None
    """Parameter for the first instant wanted; unset: everything is asked for, and cut here."""
    before: str | None = None
    """Parameter for the first instant that is no longer wanted."""
    paging: Paging = Paging()
    timeout_seconds: PositiveFloat = 30.0

    @model_validator(mode="after")
    def _has_a_url(self) -> Self:
        if self.token_env and self.token_file:
            raise ValueError("token_env and token_file are both given: keep one")
        _check_url(self.url, self.url_env, self.start)
        return self


AnySystem = Annotated[FilesSystem | SqlSystem | RestSystem, Field(discriminator="kind")]


def is_local(url: str) -> bool:
    """Whether a URL points to this machine."""
    return url.startswith("sqlite:") or urlsplit(url).hostname in LOOPBACK


def _check_url(url: str | None, url_env: str | None, start: tuple[str, ...]) -> None:
    if url is None and url_env is None:
        raise ValueError("give a url, or url_env with the name of an environment variable")
    if url and start and not is_local(url):
        raise ValueError(f"start is for systems on this machine, and {urlsplit(url).hostname} is another: remove it")
