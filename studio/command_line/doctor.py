"""`studio doctor`: what this machine has, whether the libraries work, and the kernels compiled in advance."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import time
from collections.abc import Callable
from typing import Any

from studio import __version__
from studio.command_line.console import Console
from studio.render.device import cache_folder, candidates, devices
from studio.render.protocol import Compiling, Event
from studio.render.session import RenderSession

_LIBRARIES = ("numpy", "taichi", "OpenImageIO", "opencolorio", "pyoidn", "Pillow", "moderngl", "PySide6-Essentials")


def run(args: argparse.Namespace, console: Console) -> int:
    """Report; returns 0 when everything that a render needs works."""
    candidates(args.device)
    memory = devices()[-1].memory_bytes
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory / 1e9:.0f} GB"
    _tell(console, "myriad", f"{__version__}, Python {platform.python_version()}, {machine}")
    for info in devices():
        size = f", {info.memory_bytes / 1e9:.0f} GB" if info.memory_bytes else ""
        _tell(console, f"device {info.backend}", f"{info.name}{size} ({info.device_class})")
    for name in _LIBRARIES:
        _tell(console, name, _version(name))
    sound = True
    checks = {"colour (OCIO)": _colour, "denoiser (OIDN)": _denoiser, "viewport (OpenGL)": _opengl}
    for name, check in checks.items():
        works, said = _tried(check)
        sound = sound and (works or check is _opengl)  # pictures are rendered without it
        _tell(console, name, said, ok=works)
    _warm_up(args.device, console)
    return 0 if sound else 11


def _tell(console: Console, what: str, said: str, *, ok: bool = True) -> None:
    console.result(f"{what:<20} {said}")
    console.event("check", what=what, said=said, ok=ok)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _tried(check: Callable[[], str]) -> tuple[bool, str]:
    """Whether a library works, and its answer or its complaint: whatever a broken installation throws is the result."""
    try:
        return True, check()
    except Exception as fault:
        return False, " ".join(f"does not work: {type(fault).__name__}: {fault}".split())


def _colour() -> str:
    from studio.scene import color

    return f"{color.CONFIG}, {len(color.views())} views"


def _denoiser() -> str:
    import numpy as np

    from studio.render.denoise import Denoiser

    grey = np.full((32, 32, 3), 0.5, np.float32)
    with Denoiser(32, 32) as denoiser:
        clean = denoiser.denoise(grey, grey, grey * 0, input_scale=1.0)
    return "works" if np.isfinite(clean).all() else "gives numbers that are not finite"


def _opengl() -> str:
    import moderngl

    options: dict[str, Any] = {"backend": "egl"} if platform.system() == "Linux" else {}
    context = moderngl.create_context(standalone=True, require=410, **options)
    try:
        return f"{context.info['GL_RENDERER']}, OpenGL {context.version_code / 100:.1f}"
    finally:
        context.release()


def _warm_up(device: str, console: Console) -> None:
    def hear(event: Event) -> None:
        if isinstance(event, Compiling):
            console.progress(f"Compiling kernels, {event.step + 1} of {event.steps}: {event.what}")
            console.event("compile", step=event.step, steps=event.steps, what=event.what)

    begun = time.perf_counter()
    with RenderSession(device=device, every_aov=True, listener=hear) as session:
        info = session.info
        kernels = session.warm_up()
    seconds = time.perf_counter() - begun
    _tell(console, "kernels", f"ready for {info.backend} ({info.name}) in {kernels:.1f} s, kept in {cache_folder()}")
    console.event("done", device=info.backend, compile_seconds=round(kernels, 3), seconds=round(seconds, 3))
