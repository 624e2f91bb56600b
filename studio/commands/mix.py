"""Commands of the light mixer: a finished frame is lit anew from the layers of its lights.

The session belongs to the studio, so a script mixes what the panel shows, and needs no panel:

    studio.run("mix.open", path="shot.0012.lights.exr")
    studio.run("mix.set", ids=("rim",), gain=-1.0)
    studio.run("mix.save", path="shot.png")
    studio.run("mix.to_scene")
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.errors import Cancelled, UsageError
from studio.render import lightmix_full, lightmix_scene
from studio.render.light_layers import SUFFIX
from studio.render.lightmix import Channel, Mix, read_mixes, write_mixes
from studio.render.lightmix_full import Print
from studio.render.lightmix_session import Frame, Loading, MixSession, load
from studio.render.output import EXTENSIONS, replacing
from studio.scene.entities import Id, Vec3

_PRESET_KINDS = (".json",)


def session_of(studio: Studio) -> MixSession:
    """The mixing desk of a studio."""
    return studio.own(MixSession)


def has_layers(studio: Studio) -> bool:
    """The condition of commands that mix."""
    return session_of(studio).frame is not None


def is_mixed(studio: Studio) -> bool:
    """The condition of commands that act on a mix that changes something."""
    return has_layers(studio) and not session_of(studio).mix.is_neutral


@command("mix.open", N_("Open light layers…"), menu="Render/Mixer", icon="open", recorded=True)
def open_layers(studio: Studio, *, path: str = "") -> None:
    """Put the light layers of a picture on the mixing desk."""
    where = Path(path) if path else studio.face.ask_open(N_("Open light layers"), (".exr",))
    if where is None:
        return
    session = session_of(studio)
    if session.loading is not None:
        session.loading.cancelled = True
    loading = session.loading = Loading(where)
    session.tell()

    def loaded(frame: Frame) -> None:
        if session.loading is not loading:  # another file was asked for meanwhile
            frame.close()
            return
        session.loading = None
        session.show(frame, studio.scene)

    def failed(fault: Exception) -> None:
        if session.loading is loading:
            session.loading = None
            session.tell()
        if not isinstance(fault, Cancelled):
            studio.face.notify(str(fault), kind="error")

    studio.face.work(lambda: load(loading), loaded, doing=where.name, failed=failed)


@command("mix.latest", N_("Mix latest render"), menu="Render/Mixer")
def open_latest(studio: Studio) -> None:
    """Put the newest render that has light layers on the mixing desk: from the export's folder, or the project's."""
    open_layers(studio, path=str(latest_layers(studio)))


def latest_layers(studio: Studio) -> Path:
    """The newest file of light layers beside the pictures of the export; `UsageError` where there is none."""
    from studio.commands.export import export_of

    output = Path(export_of(studio.scene, studio.render_size, project=studio.path).output).expanduser()
    folder = output.parent if output.is_absolute() or studio.path is None else studio.path / output.parent
    folders = [folder, *([studio.path / "renders"] if studio.path is not None else [])]
    found = [file for place in folders if place.is_dir() for file in place.glob(f"*{SUFFIX}")]
    if not found:
        raise UsageError(f"there are no light layers in {folder}; export with light layers on, or open a file of them")
    return max(found, key=lambda file: file.stat().st_mtime)


@command("mix.close", N_("Close light layers"), menu="Render/Mixer", when=has_layers)
def close_layers(studio: Studio) -> None:
    """Take the picture off the mixing desk and free its memory."""
    session_of(studio).show(None)


@command("mix.set", N_("Mix lights"), when=has_layers)
def set_strips(
    studio: Studio,
    *,
    ids: Sequence[Id] = (),
    gain: float | None = None,
    color: Vec3 | None = None,
    muted: bool | None = None,
    solo: bool | None = None,
) -> None:
    """Set the gain in stops, the colour, mute or solo of lights and groups on the mixing desk."""
    session = session_of(studio)
    known = {channel.id for channel in session.channels if channel.id} | set(session.groups)
    unknown = [id_ for id_ in ids if id_ not in known]
    if unknown or not ids:
        raise UsageError(f"the picture has no layer of {', '.join(unknown) or 'nothing'}; name lights or groups of it")
    values = {"gain": gain, "color": color, "muted": muted, "solo": solo}
    session.set_mix(session.mix.change(ids, **{name: v for name, v in values.items() if v is not None}))


@command("mix.undo", N_("Undo mix"), menu="Render/Mixer", group=1, when=lambda s: session_of(s).can_undo, icon="undo")
def undo(studio: Studio) -> None:
    """Take back the last change on the mixing desk."""
    session_of(studio).undo()


@command("mix.redo", N_("Redo mix"), menu="Render/Mixer", group=1, when=lambda s: session_of(s).can_redo, icon="redo")
def redo(studio: Studio) -> None:
    """Do again what was taken back on the mixing desk."""
    session_of(studio).redo()


@command("mix.reset", N_("Reset mix"), menu="Render/Mixer", group=1, when=is_mixed, icon="reset")
def reset(studio: Studio) -> None:
    """Show the picture as it was rendered."""
    session_of(studio).set_mix(Mix())


@command("mix.to_scene", N_("Mix to scene"), menu="Render/Mixer", group=2, when=is_mixed, icon="to-scene")
def to_scene(studio: Studio) -> None:
    """Give the lights and groups of the scene the gains, colours and switches of the mix, and make the mix neutral."""
    session = session_of(studio)
    written = studio.edit(N_("Mix to scene"), lightmix_scene.to_scene, session.mix, session.channels)
    session.set_mix(Mix())
    if sentence := written.sentence():
        studio.face.notify(sentence, kind="warning")


# --- keeping pictures ------------------------------------------------------------------------------------------------
@command("mix.save", N_("Save mixed picture…"), menu="Render/Mixer", group=3, when=has_layers, icon="save")
def save(studio: Studio, *, path: str = "", denoise: bool | None = None) -> None:
    """Write the mix at full size: EXR, or PNG, TIFF and JPEG as it is shown."""
    session = session_of(studio)
    frame = session.need_frame()
    suggestion = f"{_shot(frame.path)}.mix.exr"
    where = Path(path) if path else studio.face.ask_save(N_("Save mixed picture"), suggestion, EXTENSIONS)
    if where is None:
        return
    mix, channels, look, busy = session.mix, session.channels, _look(session, denoise), _begin(session, where)

    def work() -> Path:
        def told(share: float) -> None:
            busy.share = share

        # a file of its own: the desk may be given another picture meanwhile
        layers = lightmix_full.open_file(frame.path)
        try:
            return lightmix_full.save(
                layers, mix, where, channels=channels, look=look, progress=told, stop=lambda: busy.cancelled
            )
        finally:
            layers.close()

    studio.face.work(
        work,
        lambda done: _end(studio, busy, [done]),
        doing=where.name,
        failed=lambda fault: _failed(studio, busy, fault),
    )


@command("mix.save_sequence", N_("Save mixed sequence…"), menu="Render/Mixer", group=3, when=has_layers)
def save_sequence(studio: Studio, *, path: str = "", denoise: bool | None = None) -> None:
    """Write the mix of every frame of the sequence that the picture belongs to."""
    session = session_of(studio)
    frame = session.need_frame()
    files = lightmix_full.sequence_of(frame.path)
    suggestion = f"{_shot(frame.path)}.mix.####.exr"
    where = Path(path) if path else studio.face.ask_save(N_("Save mixed sequence"), suggestion, EXTENSIONS)
    if where is None:
        return
    mix, scene, look, busy = session.mix, studio.scene, _look(session, denoise), _begin(session, where)

    def work() -> list[Path]:
        def told(share: float) -> None:
            busy.share = share

        return lightmix_full.save_sequence(
            files, mix, where, scene=scene, look=look, progress=told, stop=lambda: busy.cancelled
        )

    studio.face.work(
        work,
        lambda done: _end(studio, busy, done),
        doing=where.name,
        failed=lambda fault: _failed(studio, busy, fault),
    )


def _shot(path: Path) -> str:
    """The name of a shot: that of its layers without number and suffix."""
    name = path.name.removesuffix(SUFFIX).rstrip("0123456789").rstrip("._-")
    return str(path.with_name(name or "mix"))


def _look(session: MixSession, denoise: bool | None) -> Print:
    return Print(
        view=session.view,
        display=session.display,
        exposure_ev=session.shown_ev,
        denoise=session.denoise if denoise is None else denoise,
    )


def _begin(session: MixSession, where: Path) -> Loading:
    busy = Loading(where)
    session.saving.append(busy)
    session.tell()
    return busy


def _end(studio: Studio, busy: Loading, done: Sequence[Path]) -> None:
    session = session_of(studio)
    session.saving.remove(busy)
    session.tell()
    if len(done) == 1:
        studio.face.notify(N_("Saved: {path}"), path=str(done[0]))
    elif done:
        studio.face.notify(N_("Saved {count} pictures: {path}"), count=len(done), path=str(done[-1].parent))


def _failed(studio: Studio, busy: Loading, fault: Exception) -> None:
    session = session_of(studio)
    session.saving.remove(busy)
    session.tell()
    if not isinstance(fault, Cancelled):
        studio.face.notify(str(fault), kind="error")


# --- presets ---------------------------------------------------------------------------------------------------------
@command("mix.keep", N_("Keep mix as preset…"), menu="Render/Mixer", group=4, when=has_layers)
def keep(studio: Studio, *, name: str = "") -> None:
    """Keep the mix with the scene, by a name."""
    import msgspec

    session = session_of(studio)
    wish = (name or studio.face.ask_text(N_("Name of the mix"), session.mix.name or "Mix")).strip()
    if wish:
        mix = msgspec.structs.replace(session.mix, name=wish)
        studio.edit(N_("Keep mix as preset"), lightmix_scene.with_preset, mix)
        session.set_mix(mix)


@command("mix.use", N_("Use mix preset"), when=has_layers)
def use(studio: Studio, *, name: str = "") -> None:
    """Mix as a preset has it."""
    session_of(studio).set_mix(preset(studio, name))


@command("mix.forget", N_("Forget mix preset"))
def forget(studio: Studio, *, name: str = "") -> None:
    """Take a preset out of the scene."""
    if not name:
        return
    preset(studio, name)
    studio.edit(N_("Forget mix preset"), lightmix_scene.without_preset, name)


def preset(studio: Studio, name: str) -> Mix:
    """The preset of a name; `UsageError` where there is none."""
    found = {mix.name: mix for mix in lightmix_scene.presets_of(studio.scene)}
    if name not in found:
        raise UsageError(f"there is no mix {name!r}; there are {', '.join(found) or 'none'}")
    return found[name]


@command("mix.export_presets", N_("Export mix presets…"), menu="Render/Mixer", group=4)
def export_presets(studio: Studio, *, path: str = "") -> None:
    """Write the presets of the scene to a file, for another scene."""
    mixes = lightmix_scene.presets_of(studio.scene)
    if not mixes:
        raise UsageError("the scene has no mix presets to export; keep one first")
    where = Path(path) if path else studio.face.ask_save(N_("Export mix presets"), "mixes.json", _PRESET_KINDS)
    if where is not None:
        with replacing(where) as temporary:
            temporary.write_bytes(write_mixes(mixes))


@command("mix.import_presets", N_("Import mix presets…"), menu="Render/Mixer", group=4)
def import_presets(studio: Studio, *, path: str = "") -> None:
    """Add the presets of a file to those of the scene."""
    where = Path(path) if path else studio.face.ask_open(N_("Import mix presets"), _PRESET_KINDS)
    if where is None:
        return
    try:
        text = where.read_bytes()
    except OSError as fault:
        raise UsageError(f"cannot read {where}: {(fault.strerror or str(fault)).lower()}") from fault
    mixes = read_mixes(text, str(where))
    with studio.document.edit(N_("Import mix presets")) as edit:
        for mix in mixes:
            edit.apply(lightmix_scene.with_preset, mix)


def select_lights(studio: Studio, channels: Sequence[Channel]) -> None:
    """Select the lights of channels in the scene; one that is gone is told."""
    gone = next((channel.name for channel in channels if channel.id not in studio.scene.entities), "")
    if gone:
        studio.face.notify(N_('"{name}" is not in the scene any more.'), kind="warning", name=gone)
    studio.select([channel.id for channel in channels if channel.id in studio.scene.entities])
