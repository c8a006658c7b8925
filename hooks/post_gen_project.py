"""Gives the generated copy of the live project its own names."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

ANSWERS: dict[str, str] = json.loads(r"""{{ cookiecutter | tojson }}""")
LIVE = {
    "Coupon Pipeline": ANSWERS["project_name"],
    "coupon-pipeline": ANSWERS["project_slug"],
    "coupon_pipeline": ANSWERS["package_name"],
    "Example Grocer": ANSWERS["retailer"],
}
LIVE_WORDS = re.compile(r"\b(" + "|".join(map(re.escape, LIVE)) + r")\b")
TEMPLATE_ONLY = re.compile(
    r"^[ \t]*(?:#|<!--) template:start\b.*?^[ \t]*(?:#|<!--) template:end\b[^\n]*\n", re.MULTILINE | re.DOTALL
)
# A currency code is an ordinary word of prose and data: only the setting takes the answer.
CURRENCY = re.compile(r'^(    currency: str = )"[A-Z]{3}"$', re.MULTILINE)


def check_links(project: Path) -> None:
    """Stop if the template's links arrived as text files, as they do from a zip or a checkout without symlinks."""
    if not (project / ANSWERS["package_name"]).is_dir():
        sys.exit("the template's links are lost: use a git URL or a clone with core.symlinks=true, not a zip")


def remove_leftovers(project: Path) -> None:
    """Delete what only the template needs, and the caches that lay in its working tree."""
    (project / "tests" / "test_template.py").unlink()
    for pattern in ("__pycache__", ".*_cache"):
        for folder in list(project.rglob(pattern)):
            shutil.rmtree(folder)


def personalise(path: Path) -> None:
    """Drop the parts of a text file that only the template needs and replace the live words; leave binaries alone."""
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError:
        return
    personal = LIVE_WORDS.sub(lambda match: LIVE[match[0]], TEMPLATE_ONLY.sub("", text))
    path.write_bytes(personal.encode())


def set_currency(settings: Path) -> None:
    """Write the currency into its one setting; stops if that line is not there exactly once."""
    text, count = CURRENCY.subn(rf'\1"{ANSWERS["currency"]}"', settings.read_bytes().decode())
    if count != 1:
        sys.exit(f"{settings.name} has {count} lines `currency: str = ...` where the template expects one")
    settings.write_bytes(text.encode())


project = Path.cwd()
check_links(project)
remove_leftovers(project)
for path in sorted(project.rglob("*")):
    if path.is_file():
        personalise(path)
set_currency(project / ANSWERS["package_name"] / "settings.py")
