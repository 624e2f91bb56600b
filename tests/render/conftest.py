"""One Taichi runtime for all tests of the tracer: it cannot be started twice in a process.

Without Taichi's own optimiser the kernels compile in a tenth of the time and run as fast, because LLVM optimises them
again; compiled kernels are kept on disk between runs.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

# Taichi 1.7.4 asks for a deprecated locale function and has stray escapes in its docstrings; our tests treat warnings
# as errors, so it is imported here, before any of them, with these silenced.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import taichi

if TYPE_CHECKING:
    from studio.render.tracer.tracer import Tracer


@pytest.fixture(scope="session")
def taichi_cpu() -> object:
    """The `taichi` module, running on the CPU with two threads."""
    taichi.init(
        arch=taichi.cpu, cpu_max_num_threads=2, advanced_optimization=False, fast_math=False, log_level=taichi.ERROR
    )
    return taichi


@pytest.fixture(scope="session")
def shared_tracer(taichi_cpu: object) -> Tracer:
    """A tracer for the whole run; take `tracer` instead, which comes with its switches as they were made."""
    from studio.render.tracer.tracer import Tracer

    return Tracer()


@pytest.fixture
def tracer(shared_tracer: Tracer) -> Iterator[Tracer]:
    """The tracer, with its switches put back after the test."""
    switches = {name: getattr(shared_tracer, name) for name in ("candidates", "compensate", "batch")}
    yield shared_tracer
    for name, value in switches.items():
        setattr(shared_tracer, name, value)
    shared_tracer.plan = None
