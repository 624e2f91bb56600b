"""What a live view asks of a farm's nodes, how that stands, and how what they render comes back to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from studio.farm.model import Range
from studio.render.film import Film
from studio.render.live_share import Offer
from studio.render.partial import Header
from studio.render.settings import RenderSettings
from studio.scene.flat import FlatScene
from studio.scene.scene import Scene

NO_COORDINATOR = "No coordinator works at this store; start one with studio farm serve."
NO_NODES = "Nobody is there: the farm has no nodes now; start some with studio farm worker."
NONE_FIT = (
    "None of the farm's nodes can help: they have another build of the studio, are not trusted with this scene, or "
    "work for other artists alone."
)

Deliver = Callable[[Film, Range, int, Header], bool]  # film, samples, generation; whether it was still wanted
# Of the film of a generation: True, what was delivered counts no more, and what of it still does comes again; False,
# that has all come.
Renew = Callable[[int, bool], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a view wants rendered elsewhere: samples of a film of a scene at a frame. `flat` is how it sees that scene,
    its camera included, `generation` its own number for the film, and `settings` are those of the whole film."""

    generation: int
    scene: Scene
    flat: FlatScene
    settings: RenderSettings
    ranges: tuple[Range, ...]

    @classmethod
    def of(cls, offer: Offer, scene: Scene) -> Wanted:
        """What a live render offers of a scene."""
        return cls(
            generation=offer.generation,
            scene=scene,
            flat=offer.flat,
            settings=offer.settings,
            ranges=offer.ranges,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Loan:
    """How borrowing stands. `sentence` is for the artist, "" when there is nothing to say; `fault` says that something
    is wrong, and `passes` that it may be over without another wish. `sending` are bytes of a scene that are in the
    store, and all of them, while it is sent. `bytes` and `seconds` are those of sending the last wish, `whole` whether
    the scene was sent anew for it.
    """

    at_work: int = 0  # nodes
    fit: int = 0
    nodes: int = 0  # of the farm
    samples: int = 0  # that came for the film of now
    samples_s: float = 0.0
    sentence: str = ""
    fault: bool = False
    passes: bool = False
    sending: tuple[int, int] = (0, 0)
    bytes: int = 0
    seconds: float = 0.0
    whole: bool = False
