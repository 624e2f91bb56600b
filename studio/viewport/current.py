"""Which OpenGL context a thread has, and how it is taken away for a while and given back.

On Linux a thread has one current context, by GLX or by EGL, and neither makes one current while the other holds the
thread: `glXMakeContextCurrent` fails while EGL has a context current, and `eglMakeCurrent` answers EGL_BAD_ACCESS while
GLX has. Who does not ask is not told: a window of Qt (GLX) stays empty for ever, and an offscreen device (EGL) draws
into Qt's context and deletes its textures. So a device that draws without a window takes the thread first and gives it
back afterwards, by the functions of this module. Elsewhere than on Linux one library makes every context current, and
there is nothing to do.
"""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass

_POINTER = ctypes.c_void_p
_OPENGL_API = 0x30A2


@dataclass(frozen=True, slots=True)
class Held:
    """What a thread had current: by "glx" or "egl", its display, the surfaces drawn to and read from, the context.

    An empty `api` says that there was none.
    """

    api: str = ""
    display: int = 0
    draw: int = 0
    read: int = 0
    context: int = 0


def held() -> Held:
    """What is current in this thread."""
    glx, egl = _glx(), _egl()
    if glx is not None and (context := glx.glXGetCurrentContext()):
        drawables = int(glx.glXGetCurrentDrawable() or 0), int(glx.glXGetCurrentReadDrawable() or 0)
        return Held("glx", int(glx.glXGetCurrentDisplay() or 0), *drawables, int(context))
    if egl is not None and egl.eglBindAPI(_OPENGL_API) and (context := egl.eglGetCurrentContext()):
        surfaces = int(egl.eglGetCurrentSurface(_EGL_DRAW) or 0), int(egl.eglGetCurrentSurface(_EGL_READ) or 0)
        return Held("egl", int(egl.eglGetCurrentDisplay() or 0), *surfaces, int(context))
    return Held()


def let_go() -> Held:
    """Leave the thread without a context; returns what it had, for `give_back`."""
    was = held()
    _make(Held(was.api, was.display))
    return was


def give_back(was: Held) -> bool:
    """Make current what `let_go` returned; nothing when that was nothing. False when the driver has it no more."""
    now = held()
    if now == was:
        return True
    if now.api != was.api:
        _make(Held(now.api, now.display))
    return _make(was)


def _make(wanted: Held) -> bool:
    glx, egl = _glx(), _egl()
    if wanted.api == "glx" and glx is not None:
        return bool(glx.glXMakeContextCurrent(wanted.display, wanted.draw, wanted.read, wanted.context))
    if wanted.api == "egl" and egl is not None:
        return bool(egl.eglMakeCurrent(wanted.display, wanted.draw, wanted.read, wanted.context))
    return True


# --- the libraries, as far as this process has loaded them already ----------------------------------------------------
_EGL_DRAW, _EGL_READ = 0x3059, 0x305A
_loaded: dict[str, ctypes.CDLL] = {}


def _library(*names: str) -> ctypes.CDLL | None:
    """The first of some libraries that is in this process; none is loaded, for who uses one has loaded it."""
    if not sys.platform.startswith("linux"):
        return None
    for name in names:
        if name not in _loaded:
            try:
                _loaded[name] = ctypes.CDLL(name, mode=os.RTLD_NOW | os.RTLD_NOLOAD)
            except OSError:  # not in this process
                continue
        return _loaded[name]
    return None


def _glx() -> ctypes.CDLL | None:
    library = _library("libGLX.so.0", "libGL.so.1")
    if library is not None:
        for name in ("glXGetCurrentContext", "glXGetCurrentDisplay"):
            getattr(library, name).restype = _POINTER
        for name in ("glXGetCurrentDrawable", "glXGetCurrentReadDrawable"):
            getattr(library, name).restype = ctypes.c_ulong
        library.glXMakeContextCurrent.argtypes = [_POINTER, ctypes.c_ulong, ctypes.c_ulong, _POINTER]
    return library


def _egl() -> ctypes.CDLL | None:
    library = _library("libEGL.so.1")
    if library is not None:
        for name in ("eglGetCurrentContext", "eglGetCurrentDisplay", "eglGetCurrentSurface"):
            getattr(library, name).restype = _POINTER
        library.eglGetCurrentSurface.argtypes = [ctypes.c_int]
        library.eglMakeCurrent.argtypes = [_POINTER] * 4
    return library
