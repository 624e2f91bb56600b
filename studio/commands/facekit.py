"""Commands for heads of the artist's own ICT-FaceKit checkout: bringing one in, and making another person of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.scene.entities import Figure, Id, Vec3
from studio.scene.figure_casts import figure_of
from studio.scene.insert import insert
from studio.scene.scene import Scene

if TYPE_CHECKING:
    from studio.figure.ict_facekit import FaceKitFigure

_AVERAGE, _RANDOM, _FILE = N_("The average face"), N_("Somebody at random"), N_("From a file…")
_KINDS = (".json",)


def _facekit_figures(studio: Studio) -> tuple[Id, ...]:
    """Figures that came from ICT-FaceKit: those selected, else all."""
    from studio.figure.ict_identity import origin_of

    entities = studio.scene.entities
    own = [id_ for id_, e in entities.items() if origin_of(e) is not None]
    chosen = {figure_of(entities, id_) for id_ in studio.selection if id_ in entities}
    return tuple(id_ for id_ in own if id_ in chosen) or tuple(own)


def has_facekit(studio: Studio) -> bool:
    """The condition: there is a figure that came from ICT-FaceKit."""
    return any(isinstance(e, Figure) and "facekit" in e.extra for e in studio.scene.entities.values())


def _chosen(studio: Studio, figure: Id) -> Id:
    found = _facekit_figures(studio)
    found = tuple(id_ for id_ in found if id_ == figure) if figure else found
    if len(found) != 1:
        raise UsageError("select one figure that came from ICT-FaceKit")
    return found[0]


@command("figures.from_facekit", N_("New figure from ICT-FaceKit…"), menu="Figure", icon="figure")
def from_facekit(studio: Studio, *, folder: str = "", identity: str = "", seed: int = -1, sigma: float = 1.0) -> None:
    """Bring in a head from your own checkout of ICT-FaceKit light where the viewport looks: the average face, one of an
    identity file, or with a seed from 0 somebody at random within some standard deviations."""
    where = Path(folder) if folder else studio.face.ask_open(N_("Folder of ICT-FaceKit"), ())
    if where is None:
        return
    viewer = studio.face.viewport()
    x, y, z = (0.0, 0.0, 0.0) if viewer is None else (float(c) for c in viewer.camera.pivot)

    def make() -> FaceKitFigure:
        from studio.figure.ict_facekit import facekit_figure, open_checkout
        from studio.figure.ict_identity import load_identity, random_identity

        weights: Mapping[str, float] = load_identity(identity) if identity else {}
        if seed >= 0 and not identity:
            weights = random_identity(open_checkout(where).identities, seed=seed, sigma=sigma)
        return facekit_figure(where, weights)

    studio.face.work(make, lambda made: _put(studio, made, (x, y, z)), doing=where.name)


def _put(studio: Studio, made: FaceKitFigure, at: Vec3) -> None:
    """Add a head at a place as one undoable step, and select its figure."""

    def add(scene: Scene) -> tuple[Scene, Id]:
        out, tops = insert(scene, made.scene)
        figure = next(id_ for id_ in tops if isinstance(out.entities[id_], Figure))
        return out.replace(figure, translation=at), figure

    with studio.document.edit(N_("New figure from ICT-FaceKit")) as edit:
        id_ = edit.apply(add)
        edit.selection = (id_,)
    if made.report:
        studio.face.notify(" ".join(made.report))


@command("figures.facekit_identity", N_("Identity of ICT-FaceKit head…"), menu="Figure", when=has_facekit)
def facekit_identity(
    studio: Studio,
    *,
    figure: Id = "",
    identity: str = "",
    weights: Mapping[str, float] | None = None,
    seed: int = -1,
    sigma: float = 1.0,
) -> None:
    """Make another person of a head that came from ICT-FaceKit: by weights, an identity file, or a seed from 0. Its
    place, expression, keys and materials stay. `weights` change those that they name and leave the others."""
    from studio.figure.ict_identity import load_identity, origin_of, with_identity

    chosen = _chosen(studio, figure)
    origin = origin_of(studio.scene.entities[chosen])
    assert origin is not None
    average = False
    if not identity and weights is None and seed < 0:
        answer = studio.face.ask(N_("Who shall it be?"), (_AVERAGE, _RANDOM, _FILE))
        if not answer:
            return
        average = answer == _AVERAGE
        if answer == _RANDOM:
            seed = _next_seed(origin.identity)
        elif answer == _FILE:
            path = studio.face.ask_open(N_("Identity"), _KINDS)
            if path is None:
                return
            identity = str(path)

    def make() -> FaceKitFigure:
        from studio.figure.ict_facekit import facekit_figure, open_checkout
        from studio.figure.ict_identity import random_identity

        if average:
            new: Mapping[str, float] = {}
        elif identity:
            new = load_identity(identity)
        elif seed >= 0:
            new = random_identity(open_checkout(origin.folder).identities, seed=seed, sigma=sigma)
        else:
            new = {**origin.identity, **(weights or {})}
        return facekit_figure(origin.folder, new)

    def show(made: FaceKitFigure) -> None:
        if chosen not in studio.scene.entities:
            raise UsageError("the figure went while its new face was made")
        studio.edit(N_("Identity of head"), with_identity, chosen, made.scene)

    studio.face.work(make, show, doing=Path(origin.folder).name)


def _next_seed(identity: Mapping[str, float]) -> int:
    """A seed that follows from who it is now, so that asking again and again gives one after another."""
    return sum(round(1e4 * (w + 10.0)) * (i + 1) for i, w in enumerate(identity.values())) % 1_000_003


@command("figures.save_facekit_identity", N_("Save identity of ICT-FaceKit head…"), menu="Figure", when=has_facekit)
def save_facekit_identity(studio: Studio, *, figure: Id = "", path: str = "") -> None:
    """Write who a head that came from ICT-FaceKit is: a small file of weights by name, and nothing of the model."""
    from studio.figure.ict_identity import origin_of, save_identity

    chosen = _chosen(studio, figure)
    origin = origin_of(studio.scene.entities[chosen])
    assert origin is not None
    where = Path(path) if path else studio.face.ask_save(N_("Identity"), "identity.json", _KINDS)
    if where is not None:
        save_identity(origin.identity, where)
