"""The default bust: a head made by code, from a few dozen named parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studio.figure.bust.assemble import build_bust
    from studio.figure.bust.light_rigs import build_stage

__all__ = ["build_bust", "build_stage"]
_HOMES = {"build_bust": "assemble", "build_stage": "light_rigs"}


def __getattr__(name: str) -> Any:
    """The public names, fetched when they are first asked for: the modules behind them are many."""
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
