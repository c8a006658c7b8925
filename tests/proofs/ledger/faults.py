"""What goes wrong around a ledger: full disks, files without rights, restarts, cut wires, clocks, two at once."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from time import monotonic_ns
from typing import Any, Final

from tests.ledger.cutting import wired
from tests.ledger.servers import Server, running
from tests.ledger.worlds import SettableClock
from tests.proofs.ledger.judging.checker import judge
from tests.proofs.ledger.judging.history import Attempt, read
from tests.proofs.ledger.judging.told import Told
from tests.proofs.ledger.lives import DEFINITIONS, ENDING, ENDS_AT, HOUR, LASTING, NOW, again, asking, live, use
from tests.proofs.ledger.storming.exports import exported
from tests.proofs.ledger.storming.service import end, ended, python, until
from tests.proofs.ledger.storming.storm import crash

from coupon_pipeline.commands.outcome import Outcome
from coupon_pipeline.ledger.audit import audit
from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.opening import open_database, open_ledger

NOBODY: Final = 65_534
"""Number of the user that owns nothing."""
FULL_BYTES: Final = 1_500_000
MANY: Final = 10_000
"""More lives than any of them comes to."""
CAPS: Final = frozenset({"coupon_cap", "campaign_cap"})
"""What lives are refused without any fault."""


@dataclass(frozen=True)
class Fault:
    """What came of a fault."""

    name: str
    granted: int
    named: frozenset[str]
    """Names of the refusals that the fault brought; `unknown` where nobody could say."""
    wrong: Sequence[str]
    """What the checker and the audit found."""


@dataclass(frozen=True)
class Place:
    """A folder with a database, the keys and the histories of one ledger."""

    folder: Path
    url: str

    @property
    def keys(self) -> Path:
        """File of the keys."""
        return self.folder / "keys.json"

    def history(self, name: str = "driver") -> Path:
        """A history file."""
        return self.folder / f"history-{name}.jsonl"

    def opened(self, clock: Callable[[], int] = lambda: NOW, url: str | None = None) -> Ledger:
        """The ledger, which knows the definitions."""
        ledger = open_ledger(url or self.url, self.keys, "development", clock)
        ledger.sync(DEFINITIONS)
        return ledger

    def begun(self, client: str, most: int = MANY, *user: str, **options: Any) -> subprocess.Popen[str]:
        """A process in which coupons live, until the database has failed or `most` have lived."""
        arguments = (self.url, str(self.keys), str(self.history(client)), client, str(most), *user)
        return python("tests.proofs.ledger.lives", *arguments, stdout=subprocess.PIPE, **options)

    def living(self, **options: Any) -> subprocess.Popen[str]:
        """The same, as soon as it has opened the ledger."""
        process = self.begun("other", **options)
        assert process.stdout is not None
        if process.stdout.readline() != "begins\n":
            end(process)
            raise RuntimeError(f"{process.args} has not begun")
        return process

    def settled(self, name: str, expected: set[str]) -> Fault:
        """What came of it, after all that was not granted was asked again under the same keys."""
        first = read(self.folder.glob("history-*.jsonl"))
        with self.opened() as ledger:
            open_ones = [one for one in first if one.answer is None]
            later = again(ledger, open_ones)
        wrong = [f"{one.operation} {one.key} is still unknown" for one in later if one.is_unknown]
        history = [*first, *later]
        told = Told(DEFINITIONS, NOW - monotonic_ns() // 1_000_000, 3 * HOUR, 3 * HOUR)
        wrong += [f"{one.kind}: {one.subject}: {one.text}" for one in judge(history, told, exported(self.url)).findings]
        with closing(open_database(self.url)) as database:
            wrong += [check.name for check in audit(database) if not check.passed]
        named = {one.refusal or "unknown" for one in open_ones} - CAPS
        wrong += [f"refused as {name}" for name in named - expected]
        return Fault(name, sum(one.answer is not None for one in first), frozenset(named), wrong)


def full_disk(place: Place) -> Fault:
    """Coupons live until the file may not grow; SQLite alone, as a server's disk is its own."""
    place.opened().close()

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_BYTES, FULL_BYTES))

    with ended(place.living(preexec_fn=limited)) as process:
        process.wait(60)
    return place.settled("full disk", {"storage_full"})


def no_right(place: Place) -> Fault:
    """Somebody else owns the file, and lets others read it."""
    with place.opened() as ledger:
        ask = asking(ledger, place.history())
        for number in range(3):
            live(ask, "till", number)
    before = exported(place.url)
    path = Path(place.url.removeprefix("sqlite:///"))
    with TemporaryDirectory(prefix="no-right-") as name:
        foreign = Path(name)
        for file in (path, place.keys):
            shutil.copy(file, foreign)
        (foreign / path.name).chmod(0o444)
        (foreign / place.keys.name).chmod(0o444)
        foreign.chmod(0o555)
        there = Place(foreign, f"sqlite:///{foreign / path.name}")
        user = str(NOBODY if os.geteuid() == 0 else os.geteuid())
        with ended(there.begun("other", 5, user)) as process:
            told = process.communicate(timeout=60)[0].split()
        foreign.chmod(0o755)
        same = exported(there.url) == before
    fault = place.settled("file without the right to write", set())
    wrong = [*fault.wrong, *([] if same else ["the books have changed"])]
    wrong += [] if told[1:] == ["read_only"] else [f"told {told}"]
    return replace(fault, named=frozenset(told[1:]), wrong=wrong)


def restart(place: Place, server: Server) -> Fault:
    """PostgreSQL is killed and recovers while coupons live."""
    place.opened().close()
    with ended(place.living()) as process:
        until(lambda: len(read([place.history("other")])) > 15, "some lives")
        crash(server)
        server.start()
        process.wait(60)
    return place.settled("database killed and restarted", {"unavailable", "unknown"})


def cut(place: Place) -> Fault:
    """The answer to each commit of a life is lost; the same key tells what has happened."""
    wrong = []
    with wired(place.url) as wire, place.opened(url=wire.url) as ledger:
        ask = asking(ledger, place.history())

        def twice(operation: str, key: str, **request: object) -> dict[str, Any]:
            wire.cuts.set()
            lost = ask("till", operation, key, **request)
            wire.cuts.clear()
            told = ask("till", operation, key, **request)
            if not lost.is_unknown or not (told.answer or {}).get("replay"):
                wrong.append(f"{operation}: {lost.refusal or lost.answer}, then {told.refusal or told.answer}")
            return {**(told.answer or {})}

        code = twice("issue", "issue-cut", household_id=1, coupon_id=LASTING)["code"]
        twice("hold", "hold-cut", code=code, basket_id="b", seconds=300)
        lines = [{"product_id": 1, "quantity": 1, "gross_cents": 500}]
        twice("redeem", "redeem-cut", code=code, basket_id="b", discount_cents=50, lines=lines)
        twice("reverse", "reverse-cut", redeem_key="redeem-cut")
        twice("void", "void-cut", code=code)
    fault = place.settled("answer to a commit lost", {"unknown"})
    return replace(fault, wrong=[*fault.wrong, *wrong])


def clock_back(place: Place) -> Fault:
    """The clock steps back an hour, while the ledger is open and before it is opened again."""
    wrong, clock = [], SettableClock(NOW)
    with place.opened(clock) as ledger:
        ask = asking(ledger, place.history())
        codes = [
            (ask("till", "issue", f"issue-ending-{number}", household_id=number, coupon_id=ENDING).answer or {})["code"]
            for number in (1, 2, 3)
        ]
        clock.now = ENDS_AT
        live(ask, "till", 1)
        wrong += [f"before: {one}" for one in _not_expired(use(ask, "till", "ending-1", codes[0]))]
        clock.now = ENDS_AT - HOUR
        live(ask, "till", 2)
        wrong += [f"stepped back: {one}" for one in _not_expired(use(ask, "till", "ending-2", codes[1]))]
    with place.opened(clock) as ledger:
        ask = asking(ledger, place.history())
        live(ask, "till", 3)
        wrong += [f"opened again: {one}" for one in _not_expired(use(ask, "till", "ending-3", codes[2]))]
    wrong += [
        f"redemption {row.redemption_id} is too early" for row in exported(place.url).redemptions if row.at < ENDS_AT
    ]
    fault = place.settled("clock an hour back", {"expired"})
    return replace(fault, wrong=[*fault.wrong, *wrong])


def _not_expired(attempt: Attempt) -> list[str]:
    return [] if attempt.refusal == "expired" else [f"{attempt.refusal or attempt.answer}"]


def at_once(place: Place) -> Fault:
    """Two processes open a database without tables at the same moment, and go on to work."""
    with ended(place.begun("one", 4)) as one, ended(place.begun("other", 4)) as other:
        failed = [process.args for process in (one, other) if process.wait(60)]
    fault = place.settled("two migrate at once", set())
    return replace(fault, wrong=[*fault.wrong, *(f"{args} has failed" for args in failed)])


def rows() -> Iterator[Outcome]:
    """All faults, on the databases that can have them."""
    with TemporaryDirectory(prefix="faults-") as name:
        for fault in (full_disk, no_right, clock_back, at_once):
            yield from _rows("sqlite", fault(on_sqlite(Path(name) / fault.__name__)))
        with running(Path(name) / "postgresql") as server:
            for fault in (lambda place: restart(place, server), cut, clock_back, at_once):
                folder = Path(mkdtemp(dir=name))
                with server.database(migrated=fault is not at_once) as url:
                    yield from _rows("postgresql", fault(Place(folder, url)))


def on_sqlite(folder: Path) -> Place:
    """A place for a SQLite file, which does not exist yet."""
    folder.mkdir()
    return Place(folder, f"sqlite:///{folder / 'ledger.db'}")


def _rows(kind: str, fault: Fault) -> Iterator[Outcome]:
    yield Outcome(f"{fault.name} ({kind}): granted", fault.granted, op=">=", bar=1)
    yield Outcome(f"{fault.name} ({kind}): refused as", ", ".join(sorted(fault.named)) or "nothing")
    yield Outcome(f"{fault.name} ({kind}): lost, passed or not balanced", len(fault.wrong), op="<=", bar=0)
