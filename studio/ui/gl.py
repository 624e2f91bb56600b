"""The one GL device of the window, on a context that never dies.

Widgets come and go, are undocked, dragged to another window and closed; each time Qt may throw their GL contexts away.
So nothing of ours lives in one: an offscreen context, sharing with all of Qt's by `AA_ShareOpenGLContexts`, draws every
viewport into textures, and a widget only shows a texture. The functions of OpenGL are looked up through Qt, so whatever
Qt speaks on this machine (GLX, EGL under Wayland, WGL, CGL) is what the device speaks.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QOffscreenSurface, QOpenGLContext, QSurfaceFormat

from studio.errors import Unsupported

if TYPE_CHECKING:
    from studio.viewport.device import Device


def surface_format() -> QSurfaceFormat:
    """OpenGL 4.1 core without depth or multisampling: widgets only show finished pictures."""
    out = QSurfaceFormat()
    out.setVersion(4, 1)
    out.setProfile(QSurfaceFormat.OpenGLContextProfile.CoreProfile)
    out.setDepthBufferSize(0)
    out.setStencilBufferSize(0)
    out.setSamples(0)
    return out


def prepare() -> None:
    """What must be set before there is an application."""
    QCoreApplication.setAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts)
    QSurfaceFormat.setDefaultFormat(surface_format())


class _Loader:
    """What moderngl asks of a context: the addresses of OpenGL's functions, here by Qt."""

    def __init__(self, context: QOpenGLContext) -> None:
        self._context = context

    def load_opengl_function(self, name: str) -> int:
        """The address of a function, 0 when the driver has none of that name."""
        return int(self._context.getProcAddress(name.encode()) or 0)

    def release(self) -> None:
        """Nothing: Qt owns the context."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        return None


class GlDevice:
    """The offscreen context and the `Device` on it. Belongs to the window's thread."""

    def __init__(self) -> None:
        self._context = QOpenGLContext()
        self._context.setFormat(surface_format())
        shared = QOpenGLContext.globalShareContext()
        if shared is not None:
            self._context.setShareContext(shared)
        if not self._context.create():
            raise Unsupported("OpenGL 4.1 cannot be had on this display; update the graphics driver")
        self._surface = QOffscreenSurface()
        self._surface.setFormat(self._context.format())
        self._surface.create()
        self._device: Device | None = None

    def make_current(self) -> None:
        """Make the device's context the current one. `Unsupported` when the driver refuses."""
        if QOpenGLContext.currentContext() is not self._context and not self._context.makeCurrent(self._surface):
            raise Unsupported("the graphics driver took its context away; start the studio again")

    @property
    def device(self) -> Device:
        """The device, its context current."""
        self.make_current()
        if self._device is None:
            import moderngl

            from studio.viewport.device import REQUIRED, Device

            try:
                context = moderngl.create_context(require=REQUIRED, context=_Loader(self._context))  # type: ignore[arg-type]
            except Exception as fault:  # moderngl raises bare Exception
                reason = " ".join(str(fault).split())[:160]
                raise Unsupported(f"OpenGL 4.1 cannot be used here ({reason}); update the graphics driver") from fault
            self._device = Device(context)
        return self._device

    def release(self) -> None:
        """Give everything back; the last thing before the application goes."""
        if self._device is not None:
            self.make_current()
            self._device.release()
            self._device = None
        self._context.doneCurrent()
        self._surface.destroy()
