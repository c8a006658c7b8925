"""Every command that the documents name can be typed as it stands."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import urllib.request
from argparse import ArgumentParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUOTED_VERB = re.compile(r"`(?:[A-Z_]+=\S+ )?make ([a-z-]+)")


def commands(program: str) -> list[str]:
    """The lines of all shell blocks that call a program, with continued lines joined and comments cut."""
    blocks = [block for page in PAGES for block in SHELL.findall(page.read_text(encoding="utf-8"))]
    lines = [line.partition("  #")[0].strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return sorted({line for line in lines if line.split(" ")[0] == program})


def quoted_verbs() -> list[str]:
    found = [verb for page in PAGES for verb in QUOTED_VERB.findall(page.read_text(encoding="utf-8"))]
    return sorted({f"make {verb}" for verb in found})


@pytest.mark.parametrize("command", sorted({*commands("make"), *quoted_verbs()}))
def test_make_knows_what_to_do(command: str) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    words = [*shlex.split(command), "--dry-run", "--old-file=.venv/ready"]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("command", commands("curl"))
def test_the_service_answers(command: str, service: str) -> None:
    """Sends what curl would: the machine may not have it."""
    parser = ArgumentParser()
    parser.add_argument("url")
    for option in ("-X", "-H", "-d"):
        parser.add_argument(option, required=True)
    asked = parser.parse_args(shlex.split(command)[1:])
    name, _, value = asked.H.partition(": ")
    address = asked.url.replace("localhost:3000", service)
    request = urllib.request.Request(address, asked.d.encode(), {name: value}, method=asked.X)
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert json.load(answer)["model_version"]


def test_the_documents_name_commands_at_all() -> None:
    assert len(commands("make")) >= 4
    assert len(commands("curl")) >= 2
