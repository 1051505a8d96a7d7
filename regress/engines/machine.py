"""What this machine offers a model: weight types, devices, free memory."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

from regress.checkpoints import Checkpoint
from regress.errors import NotEnoughMemory, UnknownName, UsageError

DTYPE_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
_SHORT = {"fp32": "float32", "fp16": "float16", "half": "float16", "bf16": "bfloat16", "fp64": "float64"}
_DEVICES = ("cpu", "cuda", "mps", "npu", "xpu")


def known_dtype(name: str) -> str:
    """The weight type called `name`, by torch's name.

    Raises:
        UnknownName: If there is no such type.
    """
    name = name.removeprefix("torch.")
    name = _SHORT.get(name, name)
    if name not in DTYPE_BYTES:
        raise UnknownName("dtype", name, DTYPE_BYTES)
    return name


def known_device(wanted: str | None) -> str:
    """The device called `wanted`, or the first GPU, or the CPU.

    Raises:
        UnknownName: If torch has no such kind of device.
        UsageError: If it is not there.
    """
    import torch

    if wanted is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise UnknownName("device", wanted, _DEVICES) from None
    if device.type not in _DEVICES:
        raise UnknownName("device", wanted, _DEVICES)
    if device.type == "cpu":
        return "cpu"
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= there:  # lm-eval would take another one
        raise UsageError(
            f"device {wanted} is not there",
            allowed=", ".join(["cpu", *(f"cuda:{number}" for number in range(there))]),
            do=None if there else "This torch sees no GPU.",
        )
    return wanted


def check_memory(checkpoint: Checkpoint, dtype: str, device: str) -> None:
    """Refuse before loading what cannot fit; activations come on top, so this is a lower bound.

    Raises:
        NotEnoughMemory: If the weights alone are larger than the free memory.
    """
    needed = checkpoint.weight_bytes
    if checkpoint.parameters and not checkpoint.quantization:
        needed = checkpoint.parameters * DTYPE_BYTES[dtype]
    free = free_memory(device)
    if free is not None and needed > free:
        raise NotEnoughMemory(
            f"{checkpoint.name} needs {needed / 2**30:.1f} GiB for its weights in {dtype}, "
            f"and {free / 2**30:.1f} GiB are free on {device}",
            do="Say a smaller --dtype, another --device, or use a quantised copy.",
        )


def use_cores() -> None:
    """Let torch use as many threads as this container may run, unless the user has said how many.

    It counts the machine's cores; where a quota allows fewer, threads that wait for each other make
    everything several times slower.
    """
    import torch

    if "OMP_NUM_THREADS" not in os.environ and (quota := cores()) < torch.get_num_threads():
        torch.set_num_threads(quota)


_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h
_MADV_DONTNEED = 4  # mman.h
_ALLOCATOR_VARIABLES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "LD_PRELOAD")


def keep_freed_memory() -> None:
    """Let glibc keep what is freed, instead of giving pages back that the next layer asks for again.

    Having them cleared and mapped anew takes a tenth of a forward pass. A user who has set the
    allocator up, or another C library, is left alone.
    """
    libc = _libc()
    if libc is not None and not any(name in os.environ for name in _ALLOCATOR_VARIABLES):
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def return_freed_memory() -> None:
    """Give back what `keep_freed_memory` kept: another model's weights must fit."""
    if (libc := _libc()) is not None:
        libc.malloc_trim(0)


def forget_file_pages(address: int, length: int) -> None:
    """Take a stretch of a mapped weight file out of memory; whoever reads it again gets it from the file.

    Of a checkpoint in safetensors every tensor is such a stretch, and stays in memory as long as one of
    them is used. Memory that is no unchanged part of a file is left alone.
    """
    libc = _libc()
    if libc is None or not _maps_weights(address, length):
        return
    page = os.sysconf("SC_PAGESIZE")
    start, end = -(-address // page) * page, (address + length) // page * page
    if end > start:
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_DONTNEED)


def _maps_weights(address: int, length: int) -> bool:
    """Whether a stretch of memory lies in one mapping of a safetensors file."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        bounds, _, _, _, _, *name = line.split(maxsplit=5)
        first, last = (int(bound, 16) for bound in bounds.split("-"))
        if first <= address < last:
            file = name[0] if name else ""
            weights = file.endswith(".safetensors") or "/blobs/" in file  # as the hub's cache calls them
            return weights and address + length <= last
    return False


def _libc() -> ctypes.CDLL | None:
    """glibc; null where the C library is another one."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt") else None


def cores(file: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Whole cores that this container may use, at least 1; all of the machine's where nothing limits it."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        allowed, period = file.read_text().split()
        return max(1, min(there, int(allowed) // int(period)))
    except (OSError, ValueError):
        return there


def free_memory(device: str) -> int | None:
    """Bytes free on `device`; null where it does not tell."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    if device != "cpu":
        return None
    import psutil

    return min(int(psutil.virtual_memory().available), _container_limit())


def _container_limit() -> int:
    """Bytes left in this container; no limit where there is none."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
        reclaimable = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return int(limit) - used + int(reclaimable.get("inactive_file", 0))
    except (OSError, ValueError):
        return 2**63
