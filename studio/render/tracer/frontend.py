"""A quicker Taichi front end.

Every start of a process walks the Python source of every kernel, cached or not, to find the cached code by its syntax
tree. More than half of that time goes into things nobody sees: for each node of the tree Taichi wraps and underlines
the source text for a possible error message, and it tokenises a function's source anew at each of its call sites. Here
the message becomes file, line and function, and the source of a function is read and unfolded once (not parsed once:
Taichi changes the tree that it walks). Measured on the shading kernel with a warm cache on an AMD EPYC: 1.45 s of front
end before, 0.55 s after (the time inside Taichi's `Kernel.materialize`); the whole start is what
`python benchmarks/start.py` measures.
"""

import functools
import textwrap
from types import SimpleNamespace
from typing import Any

from taichi.lang import _wrap_inspect, kernel_impl
from taichi.lang.ast import ast_transformer_utils


def _position(self: Any, node: Any) -> str:
    return f'File "{self.file}", line {node.lineno + self.lineno_offset}, in {self.func.func.__name__}:\n'


def quicken() -> None:
    """Install the shortcuts; call it once, before the first kernel runs. Internals of the pinned Taichi 1.7."""
    ast_transformer_utils.ASTTransformerContext.get_pos_info = _position
    kernel_impl.getsourcelines = functools.lru_cache(maxsize=None)(_wrap_inspect.getsourcelines)
    once = functools.lru_cache(maxsize=None)
    kernel_impl.textwrap = SimpleNamespace(fill=once(textwrap.fill), dedent=once(textwrap.dedent))
