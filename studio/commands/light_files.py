"""Commands that give lights files: IES profiles of luminaires, and pictures as gobos.

An IES profile makes a light what its luminaire is: the measured shape, in candela, as strong as it was measured. Both
are images of the scene, so one step of the history brings them in and takes them back.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from studio.commands.registry import N_, command, selected
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.scene.entities import Id
from studio.scene.geometry import Image
from studio.scene.lights import Light
from studio.scene.scene import Scene

if TYPE_CHECKING:
    from studio.assets.ies import Profile

PROFILED, MASKED = ("point", "spot"), ("spot",)  # kinds of light that an IES profile and a gobo mean something to
IES_FILES = (".ies",)


def lights_of_kinds(studio: Studio, kinds: tuple[str, ...], ids: Iterable[Id] = ()) -> list[Id]:
    """Those lights among `ids`, or among what is selected, that are of one of these kinds."""
    wanted = list(ids) or list(studio.selection)
    entities = studio.scene.entities
    return [id_ for id_ in wanted if isinstance(light := entities.get(id_), Light) and light.light in kinds]


def with_profile(scene: Scene, lights: Iterable[Id], profile: Profile) -> Scene:
    """The scene with lights that shine like a luminaire, as strong as it was measured."""
    return scene.add(profile.image).replace(lights, ies=profile.image.key, unit="cd", intensity=profile.peak_cd)


def with_gobo(scene: Scene, lights: Iterable[Id], image: Image) -> Scene:
    """The scene with a picture in front of spots."""
    return scene.add(image).replace(lights, gobo=image.key)


@command("lights.load_ies", N_("Load IES profile…"), menu="Lights", group=3, when=selected(Light))
def load_ies(studio: Studio, *, path: str = "", lights: tuple[Id, ...] = ()) -> None:
    """Make point and spot lights shine as an IES file says, in shape and in candela."""
    wanted = lights_of_kinds(studio, PROFILED, lights)
    if not wanted:
        raise UsageError("select a point or spot light first; only these have an IES profile")
    where = Path(path) if path else studio.face.ask_open(N_("IES profile"), IES_FILES)
    if where is not None:
        give_profile(studio, where, wanted)


def give_profile(studio: Studio, path: Path, lights: list[Id]) -> None:
    """Read an IES file without stopping the window and give its profile to lights."""
    from studio.assets.ies import read_profile

    def show(profile: Profile) -> None:
        with studio.document.edit(N_("Load IES profile")) as edit:
            edit.scene = with_profile(edit.scene, lights, profile)

    studio.face.work(lambda: read_profile(path), show, doing=path.name)


@command("lights.load_gobo", N_("Load gobo…"), menu="Lights", group=3, when=selected(Light))
def load_gobo(studio: Studio, *, path: str = "", lights: tuple[Id, ...] = ()) -> None:
    """Put a picture in front of spot lights: they throw it, black where it is black."""
    wanted = lights_of_kinds(studio, MASKED, lights)
    if not wanted:
        raise UsageError("select a spot light first; only spots have gobos")
    from studio.commands.file import PICTURES

    where = Path(path) if path else studio.face.ask_open(N_("Gobo"), PICTURES)
    if where is not None:
        give_gobo(studio, where, wanted)


def give_gobo(studio: Studio, path: Path, lights: list[Id]) -> None:
    """Read a picture without stopping the window and put it in front of spots."""
    from studio.assets.images import read_image

    def show(image: Image) -> None:
        with studio.document.edit(N_("Load gobo")) as edit:
            edit.scene = with_gobo(edit.scene, lights, image)

    studio.face.work(lambda: read_image(path), show, doing=path.name)
