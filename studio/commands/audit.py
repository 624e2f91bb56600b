"""Commands of the audit: a quick render says which lights bring nothing, leak, burn out or cost too much.

    studio.run("audit.run")
    studio.run("audit.mute")        # all lights that nobody would miss, in one step
    studio.run("audit.apply", rows=(0, 3))

The audit belongs to the studio, so a script reads what the panel shows: `session_of(studio).findings`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.errors import Cancelled, UsageError
from studio.scene import edits, linking
from studio.scene.entities import Id
from studio.scene.lights import Light
from studio.scene.scene import Scene

if TYPE_CHECKING:
    from studio.render.light_audit import Auditor, Effect, Finding

_MENU = "Lights/Audit"


@dataclass(slots=True)
class Running:
    """How far an audit is; whoever waits may set `cancelled`. Read and written by both threads."""

    share: float = 0.0
    cancelled: bool = False


@dataclass(slots=True, eq=False)
class AuditSession:
    """The last audit of a studio. `scene` and `frame` are what was rendered, `after` the scenes that its own
    proposals made of it."""

    auditor: Auditor | None = None
    findings: tuple[Finding, ...] = ()
    scene: Scene | None = None
    frame: float = 0.0
    after: list[Scene] = field(default_factory=list)
    running: Running | None = None
    watchers: list[Callable[[], None]] = field(default_factory=list)

    def tell(self) -> None:
        """Tell whoever watches that something is other than before."""
        for watcher in tuple(self.watchers):
            watcher()

    def is_stale(self, studio: Studio) -> bool:
        """Whether the scene is another than the one that was audited, but for what the audit proposed."""
        if self.scene is None:
            return False
        known = any(studio.scene is scene for scene in (self.scene, *self.after))
        return not known or studio.frame != self.frame

    def is_done(self, finding: Finding, scene: Scene) -> bool:
        """Whether what a finding proposes is so in a scene."""
        lights = [scene.entities.get(id_) for id_ in finding.ids]
        there = [light for light in lights if isinstance(light, Light)]
        if not finding.act or not there or self.scene is None:
            return False
        if finding.act == "mute":
            return all(light.muted for light in there)
        if finding.act == "link":
            return not any(linking.linked(scene, light.id) & set(finding.objects) for light in there)
        if finding.act == "shadows":
            return all(light.casts_shadows and light.shadow_link_mode == "all" for light in there)
        before = {light.id: self.scene.entities.get(light.id) for light in there}
        return all(
            isinstance(was := before[light.id], Light) and light.exposure <= was.exposure - finding.stops + 1e-6
            for light in there
        )

    def effect(self, rows: Sequence[int]) -> tuple[tuple[Id, ...], Effect, float] | None:
        """The lights of these findings, what muting all of them together changes, and the share of samples it frees."""
        if self.auditor is None:
            return None
        ids = tuple(dict.fromkeys(id_ for row in rows for id_ in self.findings[row].ids))
        ids = tuple(id_ for id_ in ids if id_ not in self.auditor.shot.fixed)
        return ids, self.auditor.removed(ids), self.auditor.cost(ids)


def session_of(studio: Studio) -> AuditSession:
    """The audit of a studio."""
    return studio.own(AuditSession)


def is_idle(studio: Studio) -> bool:
    """The condition of beginning an audit."""
    return session_of(studio).running is None


def is_running(studio: Studio) -> bool:
    """The condition of ending it."""
    return not is_idle(studio)


def has_findings(studio: Studio) -> bool:
    """The condition of acting on an audit."""
    return bool(session_of(studio).findings)


@command("audit.run", N_("Audit the shot"), menu=_MENU, when=is_idle, icon="audit")
def run(studio: Studio, *, samples: int = 0) -> None:
    """Render the frame small and quickly and list the lights that it could do without, or that go wrong."""
    from studio.commands.export import export_of
    from studio.render import audit_render
    from studio.render.export import display_of
    from studio.scene import color

    session = session_of(studio)
    running = session.running = Running()
    scene, frame, size = studio.scene, studio.frame, studio.render_size
    export = export_of(scene, size, project=studio.path)
    display = display_of(export)
    view = color.find_view(export.view, display)
    device, threads = studio.preferences.device, studio.preferences.threads

    def told(share: float) -> None:
        running.share = share

    def work() -> tuple[Auditor, tuple[Finding, ...]]:
        return audit_render.run_audit(
            scene,
            frame,
            size=size,
            view=view,
            display=display,
            samples=samples or audit_render.SAMPLES,
            device=device,
            threads=threads,
            stop=lambda: running.cancelled,
            progress=told,
        )

    def done(found: tuple[Auditor, tuple[Finding, ...]]) -> None:
        if session.running is running:
            session.running = None
        session.auditor, session.findings = found
        session.scene, session.frame, session.after = scene, frame, []
        session.tell()

    def failed(fault: Exception) -> None:
        if session.running is running:
            session.running = None
        session.tell()
        if not isinstance(fault, Cancelled):
            studio.face.notify(str(fault), kind="error")

    session.tell()
    studio.face.work(work, done, failed=failed)


@command("audit.cancel", N_("Cancel the audit"), menu=_MENU, when=is_running, icon="stop")
def cancel(studio: Studio) -> None:
    """End the audit that is being rendered; the last one stays."""
    running = session_of(studio).running
    if running is not None:
        running.cancelled = True


@command("audit.apply", N_("Do what the audit proposes"), menu=_MENU, group=1, when=has_findings)
def apply(studio: Studio, *, rows: Sequence[int] = ()) -> None:
    """Mute, link, shadow or dim as these findings propose, in one step; without any, all that nobody would see."""
    session = session_of(studio)
    chosen = [session.findings[row] for row in _checked(session, rows)] or _unseen(session)
    acts = [f for f in chosen if f.act and not session.is_done(f, studio.scene)]
    if not acts:
        studio.face.notify(N_("There is nothing of it left to do."))
        return
    label = _LABELS[acts[0].act] if len({f.act for f in acts}) == 1 else N_("Do what the audit proposes")
    _edit(studio, label, _applied, acts, studio.posed)


@command("audit.mute", N_("Mute lights that nobody would miss"), menu=_MENU, group=1, when=has_findings, icon="mute")
def mute(studio: Studio, *, ids: Sequence[Id] = ()) -> None:
    """Mute these lights, or all that the audit found to bring nothing that can be seen, in one step."""
    session = session_of(studio)
    wanted = list(ids) or [id_ for f in _unseen(session) for id_ in f.ids]
    lights = [id_ for id_ in dict.fromkeys(wanted) if isinstance(studio.scene.entities.get(id_), Light)]
    if not lights:
        studio.face.notify(N_("There is nothing of it left to do."))
        return
    _edit(studio, N_("Mute"), edits.mute, lights)


def select(studio: Studio, rows: Sequence[int]) -> None:
    """Select the lights of findings; those that are gone are left out."""
    session = session_of(studio)
    ids = dict.fromkeys(id_ for row in _checked(session, rows) for id_ in session.findings[row].ids)
    studio.select([id_ for id_ in ids if id_ in studio.scene.entities])


def _unseen(session: AuditSession) -> list[Finding]:
    """What nobody sees when it is all done: the set of weak lights, which has those that bring nothing."""
    weak = [f for f in session.findings if f.kind == "weak"]
    return weak or [f for f in session.findings if f.kind == "nothing"]


_LABELS = {
    "mute": N_("Mute"),
    "link": N_("Link out"),
    "shadows": N_("Let everything block lights"),
    "dim": N_("Reduce"),
}


def _edit(studio: Studio, label: str, operation: Callable[..., Scene], *arguments: object) -> None:
    session = session_of(studio)
    stale = session.is_stale(studio)
    studio.edit(label, operation, *arguments)
    if not stale:
        session.after.append(studio.scene)
    session.tell()


def _applied(scene: Scene, acts: Sequence[Finding], posed: Scene) -> Scene:
    """The scene with what findings propose; lights that are gone are passed over."""
    from studio.render import audit_render

    for finding in acts:
        ids = [id_ for id_ in finding.ids if isinstance(scene.entities.get(id_), Light)]
        match finding.act:
            case "mute":
                scene = edits.mute(scene, ids)
            case "link":
                scene = audit_render.linked_out(scene, ids, [finding.objects] * len(ids))
            case "shadows":
                scene = audit_render.with_shadows(scene, ids)
            case "dim":
                for id_ in ids:
                    light = posed.entities[id_]
                    assert isinstance(light, Light)
                    scene = scene.replace(id_, exposure=light.exposure - finding.stops)
    return scene


def _checked(session: AuditSession, rows: Sequence[int]) -> list[int]:
    wrong = next((row for row in rows if not 0 <= row < len(session.findings)), None)
    if wrong is not None:
        raise UsageError(f"the audit has no finding {wrong}; it has {len(session.findings)}")
    return list(dict.fromkeys(rows))
