"""The one OpenGL context that everything is drawn in, and the programs compiled in it.

The studio makes a context that never dies and draws all viewports in it; tests and playblasts make one without any
window. Both are a `Device`. Nothing else in this package asks where a context comes from.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import moderngl

from studio.errors import Unsupported
from studio.viewport import current, programs

REQUIRED = 410
KINDS = ("egl", "x11")
_resting: set[int] = set()  # contexts of offscreen devices that gave their thread back


@dataclass(frozen=True, slots=True)
class Info:
    """What draws: the driver's name for itself and the version it offers."""

    renderer: str
    vendor: str
    version: str

    @property
    def software(self) -> bool:
        """Whether the processor draws, without a graphics card."""
        return any(name in self.renderer.lower() for name in ("llvmpipe", "softpipe", "swrast", "software"))


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest texture side, how many layers an array has, and samplers of one shader."""

    texture_side: int
    array_layers: int
    units: int


class Device:
    """A context of OpenGL 4.1 core and its programs. One thread alone may use it, with the context current.

    An offscreen device has the thread from `offscreen` or `use` until `rest` or `release`. In a process that shows a
    window too, it must rest before Qt goes on, or the window stays empty (see `studio.viewport.current`).
    """

    def __init__(self, context: moderngl.Context, *, own: bool = False, before: current.Held | None = None) -> None:
        info = context.info
        if context.version_code < REQUIRED:
            raise Unsupported(
                f"the viewport needs OpenGL 4.1, and {info['GL_RENDERER']} offers {info['GL_VERSION']}; "
                "update the graphics driver"
            )
        self.context = context
        self._own = own
        self._before = before  # what the thread had current before this device took it; none while it rests
        self._handle = current.held().context if own else 0
        _resting.discard(self._handle)  # of a context that is gone; the number is free again
        self.info = Info(info["GL_RENDERER"], info["GL_VENDOR"], info["GL_VERSION"])
        self.limits = Limits(
            texture_side=int(info["GL_MAX_TEXTURE_SIZE"]),
            array_layers=int(info["GL_MAX_ARRAY_TEXTURE_LAYERS"]),
            units=int(info["GL_MAX_TEXTURE_IMAGE_UNITS"]),
        )
        self._programs: dict[Any, moderngl.Program] = {}
        self._screens: dict[Any, moderngl.VertexArray] = {}
        self._released = False

    @classmethod
    def offscreen(cls, *, kind: str = "egl") -> Device:
        """A device without a window, by EGL or, with a display, by X11. Raises Unsupported when there is none."""
        if kind not in KINDS:
            raise Unsupported(f"there is no kind of display {kind!r}; choose from {', '.join(KINDS)}")
        if kind == "x11" and sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
            raise Unsupported("there is no X display to draw with; set DISPLAY, run under xvfb-run, or use egl")
        arguments: dict[str, Any] = {"backend": "egl"} if kind == "egl" else {}
        before = current.let_go()
        try:
            context = moderngl.create_context(require=REQUIRED, standalone=True, **arguments)
        except Exception as fault:  # moderngl and glcontext raise bare Exception
            current.give_back(before)
            hint = "install Mesa's EGL (libegl1)" if kind == "egl" else "start it under a display (DISPLAY) or use egl"
            reason = " ".join(str(fault).split())[:160]
            raise Unsupported(f"OpenGL 4.1 cannot be had through {kind} here ({reason}); {hint}") from fault
        try:
            return cls(context, own=True, before=before)
        except Unsupported:
            context.release()
            current.let_go()
            current.give_back(before)
            raise

    @classmethod
    def current(cls) -> Device:
        """The device of the context that is current in this thread. Raises Unsupported when there is none."""
        try:
            context = moderngl.create_context(require=REQUIRED)
        except Exception as fault:
            reason = " ".join(str(fault).split())[:160]
            raise Unsupported(f"the window's OpenGL context cannot be used ({reason}); update the driver") from fault
        return cls(context)

    def program(
        self,
        name: str,
        *,
        snippets: Mapping[str, str] | None = None,
        **parts: object,
    ) -> moderngl.Program:
        """The program `name` of the shaders folder, compiled once for each set of `parts`, which become #defines.

        `snippets` are generated texts that its `#include`s may name. Raises DeviceFault with file and line.
        """
        key = (name, tuple(sorted(parts.items(), key=str)), tuple(sorted((snippets or {}).items())))
        found = self._programs.get(key)
        if found is None:
            found = programs.build(self.context, name, defines=parts, snippets=snippets)
            self._programs[key] = found
        return found

    def screen(self, program: moderngl.Program) -> moderngl.VertexArray:
        """The triangle that covers the picture, for a program of `screen.vert`."""
        found = self._screens.get(program.glo)
        if found is None:
            found = self._screens[program.glo] = self.context.vertex_array(program, [])
        return found

    def use(self) -> None:
        """Make an offscreen device's context current; that of a window is made current by who owns the window."""
        if not self._own:
            return
        if self._before is None:
            self._before = current.let_go()
        self.context.__enter__()  # type: ignore[no-untyped-call]
        _resting.discard(self._handle)

    def rest(self) -> None:
        """Give the thread back to whose context was current before an offscreen device took it, until it is used."""
        if self._before is None:
            return
        before, self._before = self._before, None
        _resting.add(self._handle)
        if current.held().context == self._handle:
            current.let_go()
            if before.context not in _resting:  # nobody wants a device back that rests itself by now
                current.give_back(before)

    def clean(self) -> None:
        """Be current, and forget errors and state that somebody else left in the context."""
        self.use()
        context = self.context
        context.clear_errors()
        context.scissor = None
        context.wireframe = False
        context.enable_only(moderngl.NOTHING)
        context.blend_equation = moderngl.FUNC_ADD  # type: ignore[assignment]

    def flush(self) -> None:
        """Hand everything drawn so far to other contexts that share textures with this one."""
        self.context.finish()

    def release(self) -> None:
        """Give programs and, when it was made here, the context back."""
        if self._released:
            return
        self._released = True
        self.use()
        for screen in self._screens.values():
            screen.release()
        for program in self._programs.values():
            program.release()
        self._programs.clear()
        self._screens.clear()
        self.rest()
        self.context.release()

    def __enter__(self) -> Device:
        self.use()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
