"""Taichi's runtime: started once in a process, on one device, with the compiled kernels kept on disk.

The advanced optimiser of Taichi makes a first compilation twelve times as long and the kernels no faster, so it is
off; so is fast math, which would let two builds of one kernel round differently.
"""

import contextlib
import os
import time
import warnings
from pathlib import Path

# Taichi looks for these libraries when it is imported, which takes seconds where they are installed
os.environ.setdefault("ENABLE_TAICHI_HEADER_PRINT", "0")
os.environ.setdefault("TI_ENABLE_TORCH", "0")
os.environ.setdefault("TI_ENABLE_PADDLE", "0")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # a deprecated locale function and stray escapes in Taichi 1.7.4
    import taichi as ti

    from studio.render.tracer import frontend

CACHE_BYTES = 1 << 30  # Taichi's own limit of 100 MB is less than two versions of the tracer on two devices
STALE_S = 60.0  # Taichi has its cache locked for as long as it reads or writes a list of names
ARCHS = {"cpu": ti.cpu, "cuda": ti.cuda, "vulkan": ti.vulkan, "metal": ti.metal}


def start(backend: str, threads: int, cache: str) -> bool:
    """Start Taichi on a backend; False when it is not there, in which case nothing is left behind.

    `threads` limits the CPU's (0: all of them); `cache` is the folder of compiled kernels, "" for none.
    """
    frontend.quicken()
    if cache:
        unlock(Path(cache))
    arch = ARCHS[backend]
    options = {"cpu_max_num_threads": threads} if threads else {}
    ti.init(
        arch=arch,
        advanced_optimization=False,
        fast_math=False,
        offline_cache=bool(cache),
        **({"offline_cache_file_path": cache, "offline_cache_max_size_of_files": CACHE_BYTES} if cache else {}),
        log_level=ti.ERROR,
        **options,
    )
    current = ti.lang.impl.current_cfg().arch
    there = current == arch or (backend == "cpu" and current in (ti.x64, ti.arm64))
    if not there:
        ti.reset()
    return there


def unlock(cache: Path) -> None:
    """Remove the lock of a cache that a process was killed with: as long as it lies there Taichi compiles everything
    anew, keeps nothing, and does not say so."""
    lock = cache / "ticache.lock"
    with contextlib.suppress(OSError):  # there is none, or another process was first
        if time.time() - lock.stat().st_mtime > STALE_S:
            lock.unlink()


def wait() -> None:
    """Until everything that was asked of the device is done."""
    ti.sync()


def stop() -> None:
    """End Taichi, which is when it writes newly compiled kernels to the cache."""
    ti.reset()
