"""What the wheel holds, and that an installed regress finds its own tasks and demo pair from anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest

import regress
from regress.definitions.yaml_files import tasks_folder
from regress.demo import pair

ROOT = Path(regress.__file__).parents[1]
TASKS = ["gsm8k", "hellaswag", "piqa", "samsum", "samsum_muscle"]

FIND = """
import json, regress
from regress.demo import pair
from regress.definitions.yaml_files import tasks_folder
print(json.dumps({
    "package": regress.__file__,
    "tasks": str(tasks_folder()),
    "items": str(pair.items_folder()),
    "models": [str(pair.model_folder(name)) for name in pair.MODELS],
}))
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout without network: what builds it is part of [dev]."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="session")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it lies in site-packages."""
    folder = tmp_path_factory.mktemp("site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def elsewhere(arguments: list[str], at: Path, package: Path | None = None) -> str:
    """Run Python in the folder `at`, with the package found in `package` and never in the folder itself."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"HF_HUB_OFFLINE": "1"} | ({"PYTHONPATH": str(package)} if package else {})
    done = subprocess.run(
        [sys.executable, "-P", *arguments], cwd=at, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def decoy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a `tasks` and a `regress` folder that are not ours."""
    for name in ("tasks/gsm8k/gsm8k.yaml", "tasks/decoy/decoy.yaml", "definitions/decoy/decoy.yaml"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("task: decoy\n", encoding="utf-8")
    (tmp_path / "regress").mkdir()
    (tmp_path / "regress/__init__.py").write_text("raise SystemExit('the decoy was imported')\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ── the wheel ────────────────────────────────────────────────────────────────────────────────────


def test_nothing_but_the_package_and_its_metadata_enters_site_packages(wheel: Path) -> None:
    top = {PurePosixPath(name).parts[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert top == {"regress", f"{wheel.name.split('-py3')[0]}.dist-info"}


def test_the_wheel_holds_everything_that_is_read_at_run_time(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    expected = {"regress/aliases.toml", "regress/py.typed"}
    for file in (ROOT / "tasks").rglob("*"):
        if file.suffix in (".yaml", ".py"):
            expected.add(f"regress/definitions/tasks/{file.relative_to(ROOT / 'tasks').as_posix()}")
    for folder in ("demo/models", "demo/items"):
        files = [file for file in (ROOT / "regress" / folder).rglob("*") if file.is_file()]
        assert files
        expected |= {file.relative_to(ROOT).as_posix() for file in files}
    expected |= {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "regress").rglob("*.py")
        if "__pycache__" not in file.parts
    }
    assert expected <= held
    assert not [name for name in held if "__pycache__" in name or "/tests/" in name]


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    archive = zipfile.ZipFile(wheel)
    (path,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    metadata = archive.read(path).decode()
    assert metadata.count("\nName: regress-harness\n") == 1
    assert f"\nVersion: {project['version']}\n" in metadata
    assert "\nLicense-Expression: Apache-2.0\n" in metadata
    base = [
        line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra" not in line
    ]
    assert any("rouge-score" in line for line in base)
    assert not any(name in line for line in base for name in ("torch", "lm-eval", "transformers"))
    (scripts,) = [name for name in archive.namelist() if name.endswith("/entry_points.txt")]
    assert "regress = regress.__main__:main" in archive.read(scripts).decode()
    assert "License" in metadata
    assert [name for name in archive.namelist() if name.endswith("/licenses/LICENSE")]


# ── where it looks ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("installed", ["wheel", "checkout"])
def test_tasks_and_demo_pair_are_found_from_anywhere(
    installed: str, decoy: Path, request: pytest.FixtureRequest
) -> None:
    """In a wheel inside the package, in a checkout at its top; never in the current directory."""
    package = request.getfixturevalue("unpacked") if installed == "wheel" else ROOT
    found = json.loads(elsewhere(["-c", FIND], decoy, package))
    inside = package / "regress"
    tasks = inside / "definitions" / "tasks" if installed == "wheel" else package / "tasks"
    assert found == {
        "package": str(inside / "__init__.py"),
        "tasks": str(tasks),
        "items": str(inside / "demo" / "items"),
        "models": [str(inside / "demo" / "models" / name) for name in pair.MODELS],
    }
    assert all(Path(model, "model.safetensors").stat().st_size > 1_000_000 for model in found["models"])


@pytest.mark.parametrize("installed", ["wheel", "checkout"])
def test_the_listings_work_from_anywhere(installed: str, decoy: Path, request: pytest.FixtureRequest) -> None:
    package = request.getfixturevalue("unpacked") if installed == "wheel" else ROOT
    tasks = json.loads(elsewhere(["-m", "regress", "tasks", "--json"], decoy, package))
    assert [task["name"] for task in tasks] == TASKS
    assert all(Path(task["path"]).is_relative_to(package) for task in tasks)
    rows = json.loads(elsewhere(["-m", "regress", "models", "--json"], decoy, package))
    assert {"demo-v1", "demo-v2", "llama1", "phi2"} <= {row["name"] for row in rows}


def test_the_current_directory_is_never_looked_at(decoy: Path) -> None:
    assert tasks_folder().is_absolute()
    assert not tasks_folder().is_relative_to(decoy)
    assert not pair.items_folder().is_relative_to(decoy)


def test_this_environment_runs_the_checkout_or_an_installation(tmp_path: Path) -> None:
    """`pip install -e .`, or any other way that regress was installed to run this test."""
    found = json.loads(elsewhere(["-c", FIND], tmp_path))
    assert Path(found["tasks"]).name == "tasks"
    assert len(list(Path(found["tasks"]).glob("*/*.yaml"))) == len(TASKS)


# ── the whole thing ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.models
def test_the_wheel_runs_its_demo_pair_in_a_clean_environment(wheel: Path, decoy: Path) -> None:
    """A virtual environment of its own; the dependencies are those of this one."""
    venv = decoy / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    python = venv / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True)
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "zz-dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    asked = ["compare", "demo-v1", "demo-v2", "--tasks", "samsum,piqa", "--limit", "2", "--json"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [venv / "bin" / "regress", *asked],
        cwd=decoy,
        env=environment | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    comparison = json.loads(done.stdout)
    assert [row["task"]["name"] for row in comparison["tasks"]] == ["samsum", "piqa"]
    shown = subprocess.run([python, "-P", "-c", FIND], cwd=decoy, capture_output=True, text=True, check=True)
    assert Path(json.loads(shown.stdout)["tasks"]).is_relative_to(venv)
