"""Digital doubles: heads, rigs, expressions and what drives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studio.figure.rigging import make_figure, rig_figure

__all__ = ["make_figure", "rig_figure"]


def __getattr__(name: str) -> object:
    """What makes figures, imported when it is asked for."""
    if name in __all__:
        from studio.figure import rigging

        return getattr(rigging, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
