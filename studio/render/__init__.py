"""Final frames: settings, film, output, and the session with the worker that renders.

The package is also the function `studio.render(scene, ...)` of the public API: the name of the room and of what is
done in it are the same word. `studio.render.still.render` has its signature.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studio.render.still import Rendering


class _Callable(ModuleType):
    def __call__(self, *args: Any, **options: Any) -> Rendering:
        from studio.render.still import render

        return render(*args, **options)


sys.modules[__name__].__class__ = _Callable
