"""The house itself: what starts fast, what is locked, and what the text of the project must not hold."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import studio
from studio import errors

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ("run", "dev")
# Libraries that take long to import or that bind a device: whoever only asks for help must not wait for them.
HEAVY = (
    "DracoPy",
    "OpenImageIO",
    "PIL",
    "PyOpenColorIO",
    "PySide6",
    "av",
    "imageio",
    "moderngl",
    "pxr",
    "pyoidn",
    "ray",
    "taichi",
)


def modules_after(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after a statement."""
    script = f"{statement}\nimport sys, json\nprint(json.dumps(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(json.loads(done.stdout.splitlines()[-1]))


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(name: str) -> dict[str, list[str]]:
    """Requirement to its lines of hashes, of one lock file."""
    blocks: dict[str, list[str]] = {}
    for line in (ROOT / "requirements" / f"{name}.lock").read_text().splitlines():
        if re.match(r"[a-z0-9]", line):
            current = blocks.setdefault(line.split("==")[0], [])
        elif "--hash" in line:
            current.append(line.strip(" \\"))
    return blocks


@pytest.mark.parametrize("statement", ["import studio", "import studio.cli", "import studio.assets.demo"])
def test_importing_the_studio_loads_nothing_heavy(statement: str) -> None:
    assert not modules_after(statement) & set(HEAVY)


def test_the_public_names_all_resolve() -> None:
    for name in studio.__all__:
        assert getattr(studio, name) is not None


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = studio.no_such_thing


def test_exit_codes_of_the_errors_are_those_of_the_command_line() -> None:
    codes = {kind.__name__: kind.code for kind in errors.StudioError.__subclasses__()}
    assert codes == {
        "UsageError": 2,
        "BadAsset": 10,
        "Unsupported": 11,
        "DeviceFault": 12,
        "OutOfDeviceMemory": 13,
        "CannotWrite": 14,
        "Cancelled": 130,
    }


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_hashes_and_names_no_host(name: str) -> None:
    assert all(hashes for hashes in locked(name).values())
    assert "://" not in (ROOT / "requirements" / f"{name}.lock").read_text()


def test_the_locks_hold_every_dependency_and_agree_on_versions() -> None:
    wanted = {normalised(re.split(r"[\[<>=~! ]", d)[0]) for d in PROJECT["project"]["dependencies"]}
    tools = {normalised(re.split(r"[\[<>=~! ]", d)[0]) for d in PROJECT["project"]["optional-dependencies"]["dev"]}
    assert wanted <= set(locked("run"))
    assert wanted | tools <= set(locked("dev"))
    pins = [set(re.findall(r"^\S+==\S+", (ROOT / "requirements" / f"{n}.lock").read_text(), re.M)) for n in LOCKS]
    assert pins[0] <= pins[1]


def test_every_dependency_is_explained() -> None:
    text = normalised((ROOT / "docs" / "dependencies.md").read_text())
    groups = [PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"].values()]
    names = {normalised(re.split(r"[\[<>=~! ]", d)[0]) for group in groups for d in group}
    assert {name for name in names if name not in text} == set()


def test_every_link_within_the_documents_leads_to_a_file() -> None:
    broken = []
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_every_module_says_what_it_is_for() -> None:
    silent = []
    for module in (ROOT / "studio").rglob("*.py"):
        text = module.read_text()
        if text.strip() and not text.startswith(('"""', 'r"""')):
            silent.append(str(module.relative_to(ROOT)))
    assert silent == []
