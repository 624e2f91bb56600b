"""Those who want to know when something changes, and what stands beside a studio for as long as it lives.

A desk (the board, the crossfader, the faces, a performance) is kept by its studio and must not keep it in turn, so it
holds it weakly. Whoever watches gets a function that ends the watching, which may be called in the middle of a telling.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVarTuple

if TYPE_CHECKING:
    from studio.commands.studio import Studio

Told = TypeVarTuple("Told")


class Watched(Generic[*Told]):
    """Something that tells those who watch it."""

    def __init__(self) -> None:
        self._watchers: list[Callable[[*Told], None]] = []

    def watch(self, callback: Callable[[*Told], None]) -> Callable[[], None]:
        """Call `callback` with everything that is told, until the function that this gives is called."""
        self._watchers.append(callback)

        def forget() -> None:
            if callback in self._watchers:
                self._watchers.remove(callback)

        return forget

    def tell(self, *what: *Told) -> None:
        """Tell those who watch."""
        for callback in tuple(self._watchers):
            callback(*what)


class Desk(Watched[*Told]):
    """What stands beside a studio."""

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self._studio = weakref.ref(studio)

    @property
    def studio(self) -> Studio:
        """The studio that it stands beside."""
        found = self._studio()
        assert found is not None
        return found
