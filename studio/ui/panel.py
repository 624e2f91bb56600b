"""Panels: widgets that the window docks, each a class that says of itself where it stands.

    @panel("inspector", N_("Inspector"), area="right", icon="inspector")
    class Inspector(QWidget):
        def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None: ...

A module of panels is named in `_HOMES` and imported when a window first needs one of its panels, so a panel that is
not open costs the start nothing. What a panel wants of the window around it, it asks its `Desk`. A panel unsubscribes
from the studio in `close_panel()`, if it has such a method; it is called once, before the widget goes.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMenu, QWidget

    from studio.assets.report import LoadReport
    from studio.commands.studio import Studio
    from studio.ui.audio_track import AudioTrack
    from studio.ui.bridge import Bridge
    from studio.ui.playback import Playback
    from studio.ui.stage import Stage
    from studio.ui.view import View

AREAS = ("left", "right", "centre", "bottom", "foot")  # "foot" is the strip below everything
# Panel id -> the module that registers it. In the order of the Panels menu.
_HOMES = {
    "viewport": "viewport_panel",
    "outliner": "outliner",
    "inspector": "inspector",
    "materials": "material_editor",
    "timeline": "timeline",
    "light_list": "light_list",
    "links": "link_panel",
    "audit": "audit_panel",
    "board": "board_panel",
    "rigs": "rig_panel",
    "midi": "midi_panel",
    "sky": "sky_panel",
    "expressions": "expression_panel",
    "performance": "performance_panel",
    "library": "library_panel",
    "dope_sheet": "dope_sheet",
    "curve_editor": "curve_editor",
    "strips": "strip_panel",
    "render_view": "renderview",
    "mixer": "mixer",
    "flipbook": "flipbook",
    "export": "export_panel",
    "farm_submit": "farm_submit",
    "queue": "queue_panel",
    "farm": "farm_panel",
    "notes": "notes_panel",
    "versions": "versions_panel",
    "missing": "missing_panel",
    "import_report": "import_report",
    "history": "history",
    "console": "console",
    "log": "log_panel",
}


class Desk(Protocol):
    """What a panel may ask of the window that it stands in."""

    @property
    def bridge(self) -> Bridge:
        """Threads: `bridge.run(work, then=show, failed=tell)` and `bridge.post(call)`."""

    @property
    def stage(self) -> Stage:
        """The GL device (`stage.device`, its context current), the viewports' renderer and their tools' settings."""

    @property
    def playback(self) -> Playback:
        """What moves the frame while the studio plays; its rate and dropped frames."""

    @property
    def sound(self) -> AudioTrack:
        """The sound of the scene, with its waveform."""

    def give(self, id_: str) -> None:
        """Give a command from the interface: faults are told, nothing is raised."""

    def use_viewport(self, view: View) -> None:
        """Make a viewport the one that commands act on."""

    def forget_viewport(self, view: View) -> None:
        """A viewport is about to go."""

    def tell_fault(self, fault: Exception) -> None:
        """Tell a fault that has nowhere to be raised to: as its sentence, or as unforeseen with details in the log."""

    def viewport_drawn(self) -> None:
        """A viewport was drawn."""

    def viewport(self) -> View | None:
        """The viewport that was used last."""

    def show_panel(self, id_: str) -> QWidget | None:
        """Open a panel, or bring the open one forward; gives its widget."""

    def panel(self, id_: str) -> QWidget | None:
        """The widget of an open panel."""

    def context_menu(self, place: str, parent: QWidget) -> QMenu:
        """A menu of the commands that apply in a place ("outliner", "viewport", "lights"), ready for `popup`."""

    def reports(self) -> Sequence[tuple[str, LoadReport]]:
        """What imports of this session told, the oldest first."""

    def status(self, text: str) -> None:
        """A line in the status bar; "" clears it. For hints that pass; what must be read is `studio.face.notify`."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One kind of panel. `default`: open in the default layout. `several`: more than one may be open."""

    id: str
    title: str
    area: str
    icon: str
    default: bool
    several: bool
    make: Callable[[Studio, Desk], QWidget]


_PANELS: dict[str, Panel] = {}
W = TypeVar("W", bound="Callable[..., QWidget]")


def panel(
    id_: str, title: str, area: str, icon: str, *, default: bool = True, several: bool = False
) -> Callable[[W], W]:
    """Class decorator: make a widget class known as a panel, see `Panel`. `title` is English, marked by `N_`."""

    def register(make: W) -> W:
        if area not in AREAS or id_ in _PANELS:
            raise ValueError(f"a panel needs an id of its own and an area of {AREAS}, not {id_!r} in {area!r}")
        _PANELS[id_] = Panel(id_, title, area, icon, default, several, make)
        return make

    return register


def load(id_: str = "") -> None:
    """Import the module of one panel, or of all."""
    for name, home in _HOMES.items():
        if (not id_ or name == id_) and name not in _PANELS and importlib.util.find_spec(f"studio.ui.{home}"):
            importlib.import_module(f"studio.ui.{home}")


def find(id_: str) -> Panel | None:
    """The panel of an id, imported if need be; None when there is none."""
    load(id_)
    return _PANELS.get(id_)


def panels() -> Mapping[str, Panel]:
    """Every panel by id, in the order of the menu."""
    load()
    order = [*_HOMES, *(name for name in _PANELS if name not in _HOMES)]
    return {name: _PANELS[name] for name in order if name in _PANELS}
