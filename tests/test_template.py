"""The repository, used as a template, gives back itself under its own names and a working project under others."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cruft
import pytest
from cookiecutter.exceptions import FailedHookException
from cookiecutter.main import cookiecutter

ROOT = Path(__file__).parents[1]
TEMPLATE_FOLDER = "{{cookiecutter.project_slug}}"
DEFAULTS = re.compile(rb"coupon_pipeline|coupon-pipeline|Coupon Pipeline|Example Grocer")
NAMES = ("Zed", "A Very Long Retailer Coupon Targeting Pipeline")
QUICK_TESTS = (
    "tests/test_clock.py",
    "tests/test_packaging.py",
    "tests/contracts/judging/test_casting.py",
    "tests/contracts/test_reader.py",
    "tests/snapshot",
)


def run(folder: Path, *command: str) -> str:
    """Standard output of a command in a folder; fails the test with all that was printed unless it ends with 0."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "MAKE", "MFLAGS"))}
    environment = inherited | {"VIRTUAL_ENV": sys.prefix, "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{' '.join(command)}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def make(folder: Path, verb: str) -> str:
    """Run a verb of a generated project with the tools of this environment, without setting one up."""
    return run(folder, "make", "--old-file=.venv/ready", f"BIN={Path(sys.executable).parent}", verb)


def commit(folder: Path, message: str) -> str:
    """Commit everything in a folder; returns the commit."""
    identity = ("-c", "user.name=Tester", "-c", "user.email=tester@example.com", "-c", "commit.gpgsign=false")
    run(folder, "git", "init", "--quiet")
    run(folder, "git", "add", "--all")
    run(folder, "git", *identity, "commit", "--quiet", "--message", message)
    return run(folder, "git", "rev-parse", "HEAD").strip()


def listed_files() -> set[str]:
    """The files of the working tree that git does not ignore, links as links."""
    listed = run(ROOT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return {name for name in listed if name and os.path.lexists(ROOT / name)}


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def without_template_parts(content: bytes) -> bytes:
    """The lines outside `template:start` and `template:end` comments."""
    kept, inside = [], False
    for line in content.splitlines(keepends=True):
        marker = re.match(rb"\s*(?:#|<!--) template:(start|end)\b", line)
        if marker:
            inside = marker[1] == b"start"
        elif not inside:
            kept.append(line)
    return b"".join(kept)


def bake(template: Path, output: Path, **answers: str) -> Path:
    return Path(cookiecutter(str(template), no_input=True, extra_context=answers, output_dir=str(output)))


@pytest.fixture(autouse=True)
def _own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's cookiecutter answers out of the bakes and the bakes out of the user's home."""
    configuration = tmp_path / "cookiecutter.yaml"
    configuration.write_text(json.dumps({"replay_dir": str(tmp_path / "replay")}), encoding="utf-8")
    monkeypatch.setenv("COOKIECUTTER_CONFIG", str(configuration))


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "output"
    folder.mkdir()
    return folder


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository of its own that holds the working tree."""
    folder = tmp_path / "clone"
    for name in listed_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    commit(folder, "The template")
    return folder


@pytest.fixture
def _on_request(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--template", default=False):
        pytest.skip("a long test: give --template, as `make test-template` does")


def test_the_default_answers_give_back_the_live_project(output: Path) -> None:
    expected = {
        name
        for name in listed_files() - {"cookiecutter.json", "tests/test_template.py"}
        if not name.startswith((f"{TEMPLATE_FOLDER}/", "hooks/"))
    }
    project = bake(ROOT, output)
    assert project.name == "coupon-pipeline"
    assert files_below(project) == expected
    for name in expected:
        assert (project / name).read_bytes() == without_template_parts((ROOT / name).read_bytes()), name


def test_every_file_keeps_its_mode(output: Path) -> None:
    project = bake(ROOT, output)
    changed = [name for name in files_below(project) if (project / name).stat().st_mode != (ROOT / name).stat().st_mode]
    assert changed == []


@pytest.mark.parametrize("name", NAMES)
def test_other_answers_leave_no_default_behind(output: Path, name: str) -> None:
    retailer = "Nile & Sons' Shop"
    project = bake(ROOT, output, project_name=name, retailer=retailer, currency="GBP")
    left = [path for path in files_below(project) if DEFAULTS.search(path.encode() + (project / path).read_bytes())]
    assert left == []
    settings = (project / project.name.replace("-", "_") / "settings.py").read_text(encoding="utf-8")
    assert f'    retailer: str = "{retailer}"\n' in settings
    assert '    currency: str = "GBP"\n' in settings


def test_the_currency_of_a_shipped_source_is_not_an_answer(output: Path) -> None:
    source = "sources/complete_journey/source.py"
    project = bake(ROOT, output, currency="GBP")
    assert (project / "coupon_pipeline" / source).read_bytes() == (ROOT / "coupon_pipeline" / source).read_bytes()


def test_a_generated_project_does_not_offer_to_test_the_template(output: Path) -> None:
    project = bake(ROOT, output)
    assert "template" not in make(project, "help")
    assert "template" not in (project / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("package_name", "models"),
        ("package_name", "my-deals"),
        ("package_name", "class"),
        ("package_name", "json"),
        ("package_name", "Zed"),
        ("project_slug", "two words"),
        ("project_name", " "),
        ("retailer", 'A"B'),
        ("retailer", "A\\B"),
        ("retailer", "A\nB"),
        ("currency", "euro"),
    ],
)
def test_an_unusable_answer_is_named_and_leaves_nothing_behind(
    output: Path, capfd: pytest.CaptureFixture[str], question: str, answer: str
) -> None:
    with pytest.raises(FailedHookException):
        bake(ROOT, output, **{"project_slug": "deals", question: answer})
    assert f"{question} {answer!r}" in capfd.readouterr().err
    assert list(output.iterdir()) == []


def test_an_answer_cannot_reach_a_folder_beside_the_project(output: Path) -> None:
    kept = output / "beside" / "kept"
    kept.parent.mkdir()
    kept.touch()
    with pytest.raises(FailedHookException):
        bake(ROOT, output, package_name="../beside")
    assert files_below(output) == {"beside/kept"}


def test_a_checkout_without_symbolic_links_is_refused(
    clone: Path, tmp_path: Path, output: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, "git", "clone", "--quiet", "--config", "core.symlinks=false", str(clone), "unlinked")
    with pytest.raises(FailedHookException):
        bake(tmp_path / "unlinked", output)
    assert "core.symlinks=true" in capfd.readouterr().err
    assert list(output.iterdir()) == []


@pytest.mark.usefixtures("_on_request")
@pytest.mark.parametrize("name", NAMES)
def test_a_renamed_project_passes_its_own_checks(output: Path, name: str) -> None:
    project = bake(ROOT, output, project_name=name)
    make(project, "check")


@pytest.mark.usefixtures("_on_request")
def test_a_renamed_project_loads_its_definitions_and_passes_its_quick_tests(output: Path) -> None:
    project = bake(ROOT, output, project_name="Zed", currency="GBP")
    commit(project, "Start from the template")
    run(project, sys.executable, "-c", "import zed.definitions")
    passed = run(project, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *QUICK_TESTS)
    assert re.search(r"^\d+ passed", passed.splitlines()[-1]), passed


@pytest.mark.usefixtures("_on_request")
def test_an_update_brings_a_change_of_the_template_under_the_project_s_names(clone: Path, output: Path) -> None:
    project = cruft.create(str(clone), output_dir=output, extra_context={"project_name": "Zed"})
    own = project / "LICENSE"
    own.write_text(own.read_text(encoding="utf-8") + "\nOur own line.\n", encoding="utf-8")
    commit(project, "Start from the template")
    (clone / "coupon_pipeline" / "arrived.py").write_text('"""Part of coupon_pipeline."""\n', encoding="utf-8")
    changed = commit(clone, "Change the template")

    assert cruft.update(project, skip_apply_ask=True)

    assert (project / "zed" / "arrived.py").read_text(encoding="utf-8") == '"""Part of zed."""\n'
    assert json.loads((project / ".cruft.json").read_text(encoding="utf-8"))["commit"] == changed
    assert own.read_text(encoding="utf-8").endswith("\nOur own line.\n")
    assert list(project.rglob("*.rej")) == []
