"""The window: everything of the studio that is Qt. Nothing below it knows that it is there.

PySide6's wheels are compiled with the headers of Python 3.12, where None, True, False and NotImplemented are immortal
and returned without being counted. Python 3.11 counts them: each call that returns None takes one away, and after some
thousands the interpreter ends with "deallocating None". So there they are made as good as immortal before Qt is used.
"""

from __future__ import annotations

import ctypes
import sys

_PLENTY = 1 << 40  # calls that return None, before it matters: years of them

if sys.version_info < (3, 12) and sys.implementation.name == "cpython":
    for _immortal in (None, True, False, NotImplemented):
        _count = ctypes.c_ssize_t.from_address(id(_immortal))
        if _count.value < _PLENTY:
            _count.value += _PLENTY
