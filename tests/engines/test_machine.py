"""Threads and memory as this container has them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from regress.engines import machine

pytestmark = pytest.mark.models

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.mark.parametrize(
    ("said", "cores"),
    [("100000 100000", 1), ("50000 100000", 1), ("max 100000", CORES), (f"{10**9} 1000", CORES), ("", CORES)],
)
def test_a_quota_in_whole_cores_and_never_none(said: str, cores: int, tmp_path: Path) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(said)
    assert machine.cores(file) == cores


def test_no_quota_where_nothing_tells_one(tmp_path: Path) -> None:
    assert machine.cores(tmp_path / "missing") == CORES


@pytest.fixture
def five_threads() -> Iterator[None]:
    """torch uses five threads for now."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(5)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("five_threads")
@pytest.mark.parametrize(("variable", "threads"), [(None, 2), ("8", 5)])
def test_threads_are_as_many_as_may_run_unless_the_user_says(
    variable: str | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if variable:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    monkeypatch.setattr(machine, "cores", lambda: 2)
    machine.use_cores()
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("variable", [None, "MALLOC_TRIM_THRESHOLD_"])
def test_the_allocator_is_told_unless_the_user_has(
    variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []

    class Libc:
        def mallopt(self, *said: int) -> None:
            told.append(said)

    for name in machine._ALLOCATOR_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, "1")
    monkeypatch.setattr(machine, "_libc", Libc)
    machine.keep_freed_memory()
    assert bool(told) is (variable is None)


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_libc", lambda: None)
    machine.keep_freed_memory()
    machine.return_freed_memory()


def test_pages_of_a_weight_file_are_forgotten_and_come_back_the_same(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    save_file({"a": torch.arange(100_000.0), "b": torch.ones(7)}, tmp_path / "model.safetensors")
    tensors = load_file(tmp_path / "model.safetensors")
    for tensor in tensors.values():
        machine.forget_file_pages(tensor.data_ptr(), tensor.numel() * tensor.element_size())
    assert torch.equal(tensors["a"], torch.arange(100_000.0))
    assert torch.equal(tensors["b"], torch.ones(7))


def test_memory_that_is_no_file_is_left_alone() -> None:
    import torch

    tensor = torch.arange(100_000.0)
    machine.forget_file_pages(tensor.data_ptr(), tensor.numel() * tensor.element_size())
    assert torch.equal(tensor, torch.arange(100_000.0))
