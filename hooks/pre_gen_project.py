"""Refuses answers that no project can be made of, before anything is written."""

from __future__ import annotations

import json
import keyword
import re
import sys

ANSWERS: dict[str, str] = json.loads(r"""{{ cookiecutter | tojson }}""")
TAKEN = {"assets", "benchmarks", "data_contracts", "docs", "models", "serving", "tests"}
FORMS = {
    "project_name": (r"[^\"\\\x00-\x1f]+", "a name without double quotes, backslashes and line breaks"),
    "project_slug": (r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*", "letters and digits, joined by single hyphens"),
    "package_name": (r"[a-z][a-z0-9_]*", "lower-case letters, digits and underscores, a letter first"),
    "retailer": (r"[^\"\\\x00-\x1f]+", "a name without double quotes, backslashes and line breaks"),
    "currency": (r"[A-Z]{3}", "an ISO 4217 code of three capitals, such as EUR"),
}


def refusals() -> list[str]:
    """One sentence for each answer that does not fit, with its question and its value."""
    found = [
        f"{key} {ANSWERS[key]!r} does not fit: give {form}"
        for key, (pattern, form) in FORMS.items()
        if not re.fullmatch(pattern, ANSWERS[key]) or not ANSWERS[key].strip()
    ]
    package = ANSWERS["package_name"]
    if keyword.iskeyword(package) or package in sys.stdlib_module_names or package in TAKEN:
        found.append(f"package_name {package!r} is taken by Python or by another folder of the project: give another")
    return found


if refused := refusals():
    sys.exit("\n".join(refused))
