"""A built bento holds what the service imports, and nothing of the pipeline."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_files_that_a_bento_includes_are_enough_to_import_the_service(tmp_path: Path) -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["bentoml"]["build"]
    for pattern in build["include"]:
        for path in ROOT.glob(pattern):
            target = tmp_path / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    module, _, name = build["service"].partition(":")
    code = f"import serving.asgi, serving.run, {module}; print({module}.{name}.name, {module}.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["coupon_service", str(tmp_path / "serving" / "service.py")]
    assert not (tmp_path / "coupon_pipeline" / "definitions.py").exists()
