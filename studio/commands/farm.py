"""Commands of the farm: sending the scene as jobs, and what is wanted of jobs that were sent.

Frames, size, samples and files are those of the scene's export. What is said of the farm's jobs beside them (name,
tiles, who may see them, priority, cap) belongs to the scene too and is undone like anything else; where jobs go is a
preference of whoever sits here. Nothing that is sent or asked for stops the window: it happens on threads.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from studio.commands.preferences import Preferences
from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.farm.wish import LOCAL, FarmSettings, FarmWish, changed_settings, changed_wish, read_settings
from studio.scene.scene import Scene

if TYPE_CHECKING:
    from studio.farm.host import FarmHost
    from studio.farm.sending import Fetched
    from studio.farm.trust.credits import Author

_KEY = "farm"
MICROS = 1_000_000
OF_WISH = ("where", "store", "address", "folder", "nodes", "threads", "prices")


# --- what is wanted --------------------------------------------------------------------------------------------------
def farm_of(scene: Scene) -> FarmSettings:
    """What is said of the jobs of a scene."""
    return read_settings(scene.extra.get(_KEY))


def change_farm(studio: Studio, *, coalesce: str = "", **values: Any) -> FarmSettings:
    """Change what is said of the scene's jobs, as one undoable step. Raises UsageError for a value that cannot be."""
    before = farm_of(studio.scene)
    new = changed_settings(before, values)
    if new != before:
        with studio.document.edit(N_("Farm settings"), coalesce=coalesce) as edit:
            edit.scene = replace(edit.scene, extra={**edit.scene.extra, _KEY: msgspec.to_builtins(new)})
    return new


def wish_of(studio: Studio) -> FarmWish:
    """Where jobs go."""
    return studio.preferences.farm


def change_wish(studio: Studio, **values: Any) -> FarmWish:
    """Change where jobs go; `store` and `address` are of where they go then. Raises UsageError for what cannot be, or
    must not be kept."""
    before = wish_of(studio)
    where = str(values.get("where", before.where))
    for name, table in (("store", before.stores), ("address", before.addresses)):
        if name in values:
            values[f"{name}s" if name == "store" else "addresses"] = {**table, where: values.pop(name)}
    new = changed_wish(before, values)
    if new != before:
        studio.prefer(farm=new)
    return new


@command("farm.set", N_("Set farm option"))
def set_option(studio: Studio, *, name: str = "", value: object = None) -> None:
    """Set an option of the farm by its name, for scripts: studio.run("farm.set", name="nodes", value=2)."""
    of_scene = FarmSettings.__struct_fields__
    if name in of_scene:
        wanted: dict[str, Any] = {name: value}
        change_farm(studio, **wanted)
    elif name in OF_WISH:
        change_wish(studio, **{name: value})
    else:
        raise UsageError(f"a farm has {', '.join((*of_scene, *OF_WISH))}, not {name or 'nothing'}")


def host_of(studio: Studio) -> FarmHost:
    """The studio's one host of crews on this machine; they end with it."""
    from studio.commands.farm_host import StudioHost

    return studio.own(StudioHost, studio)


# --- the panels ------------------------------------------------------------------------------------------------------
@command("farm.submit", N_("Send to farm…"), menu="Render", group=3, keys="Ctrl+Alt+Shift+R", icon="farm-send")
def submit(studio: Studio) -> None:
    """Send the scene as it is now to be rendered by many machines, or by this one in the background."""
    _show(studio, "farm_submit")


@command("farm.panel", N_("Farm jobs"), menu="Render", group=3, icon="farm")
def panel(studio: Studio) -> None:
    """See the jobs of the farm, their pictures as they come, and who works at them."""
    _show(studio, "farm")


def _show(studio: Studio, panel: str) -> None:
    if not studio.face.show_panel(panel):
        raise UsageError("this needs a window")


@command("farm.go_on", N_("Go on with farm jobs"), menu="Render", group=3, icon="play")
def go_on(studio: Studio) -> None:
    """Go on with jobs that this machine worked at when the studio was left."""
    host, wish = host_of(studio), wish_of(studio)

    def begin() -> int:
        from studio.farm.sending import price_of

        price = price_of(wish)  # a cap means nothing without
        return sum(len(host.go_on(left, price=price)) for left, _ in host.left())

    def told(count: int) -> None:
        studio.tell("farm")
        if count:
            studio.face.notify(N_("This machine goes on with {count} jobs."), count=count)
        else:
            studio.face.notify(N_("Nothing was left unfinished on this machine."))

    studio.face.work(begin, told)


def tell_left(studio: Studio) -> None:
    """Say what was left unfinished, if anything was, and how to go on; at the start, when nothing of it goes on yet."""

    def names_of() -> list[str]:
        from studio.farm.host import FarmHost

        return [stands.name or stands.id for _, jobs in FarmHost().left() for stands in jobs]

    def told(names: list[str]) -> None:
        if names:
            studio.face.notify(
                N_("Not finished on this machine: {names}. Go on by “Go on with farm jobs” in the Render menu."),
                names=", ".join(names),
            )

    studio.face.work(names_of, told)


# --- what is wanted of a job -----------------------------------------------------------------------------------------
@command("farm.pause", N_("Pause farm job"), icon="pause")
def pause(studio: Studio, *, job: str = "", place: str = "", drain: bool = False) -> None:
    """Pause a job; what is rendered is kept. With `drain` nodes finish the units that they work at."""
    _order(studio, job, place, "drain" if drain else "pause")


@command("farm.resume", N_("Go on with farm job"), icon="play")
def resume(studio: Studio, *, job: str = "", place: str = "") -> None:
    """Go on with a job that was paused, cancelled or failed; one of this machine gets its nodes again."""
    _order(studio, job, place, "resume")


@command("farm.cancel", N_("Cancel farm job"), icon="stop")
def cancel(studio: Studio, *, job: str = "", place: str = "") -> None:
    """Give a job up; what is rendered stays in the store."""
    _order(studio, job, place, "cancel")


@command("farm.priority", N_("Priority of farm job"))
def priority(studio: Studio, *, job: str = "", place: str = "", value: int = 50) -> None:
    """Change how soon a job is worked at, from 0 to 100."""
    _order(studio, job, place, "priority", value=value)


@command("farm.cap", N_("Cap of farm job"))
def cap(studio: Studio, *, job: str = "", place: str = "", amount: float = 0.0) -> None:
    """Change what a job may cost at the most; 0 is as much as it takes."""
    if not 0.0 <= amount <= 1e9:
        raise UsageError("a cap is an amount of money of 0 or more; 0 is none")
    _order(studio, job, place, "cap", value=round(amount * MICROS))


def _order(studio: Studio, job: str, place: str, kind: Any, *, value: int = 0) -> None:
    """Want something of a job, on a thread."""
    from studio.farm import orders, session
    from studio.farm.request import engine_of, give_again, store_at
    from studio.farm.seen import known

    host, wish = host_of(studio), wish_of(studio)

    def give() -> None:
        from studio.farm.sending import price_of

        store = store_at(place or known.own_store())
        found = session.find_job(store, _named(job))
        stands = session.standing(store, found)
        if stands.state == "done" or (stands.state == "cancelled" and kind in ("pause", "drain")):
            raise UsageError(f"the job {found.spec.id} is {stands.state}; there is nothing to {kind}")
        engine = engine_of(store, found.spec.id)
        home = place or known.own_store()
        own = engine[1].engine == LOCAL if engine is not None else home == known.own_store()
        price = price_of(wish) if kind == "resume" and own else None  # a cap means nothing without
        session.order(store, found.spec.id, kind, value=value)
        if kind == "cancel" and engine is not None:
            engine[0].cancel(engine[1])
        if kind == "resume":
            # a crew of this studio knows the jobs alone that it was given
            if own and (host.works_at(home) is not None or not orders.works(store)):
                host.resume(home, found.spec.id, price=price)
            elif not own:
                give_again(store, home, found)

    _named(job)
    studio.face.work(give, lambda _: studio.tell("farm"))


@command("farm.fetch", N_("Fetch pictures of farm job"), icon="import")
def fetch_pictures(studio: Studio, *, job: str = "", place: str = "", output: str = "") -> None:
    """Merge and write the pictures of a job that are done, where they were to go, or as `output`, and make its movie of
    them when all are here."""

    preferences = studio.preferences

    def bring() -> Fetched:
        from studio.farm.seen import known
        from studio.farm.sending import fetch

        return fetch(
            place or known.own_store(), _named(job), Path(output) if output else None, author=author_of(preferences)
        )

    def told(fetched: Fetched) -> None:
        studio.tell("farm")
        if fetched.movie is not None:
            studio.face.notify(N_("{name} is made: {count} frames."), name=fetched.movie.name, count=fetched.pictures)
            if fetched.lack:
                studio.face.notify(fetched.lack, kind="warning")
        else:
            studio.face.notify(N_("{count} pictures were fetched."), count=fetched.pictures)

    _named(job)
    studio.face.work(bring, told)


@command("farm.reveal", N_("Open folder of farm job"), icon="folder")
def reveal(studio: Studio, *, job: str = "", place: str = "") -> None:
    """Show where the pictures of a job, or its movie, are or will be."""
    from studio.farm import session
    from studio.farm.movie import read_movie
    from studio.farm.request import store_at
    from studio.farm.results import read_notes
    from studio.farm.seen import known

    def look() -> Path:
        store = store_at(place or known.own_store())
        found = session.find_job(store, _named(job))
        home = session.job_folder(store, found.spec.id)
        notes = read_notes(home)
        if notes is None:
            raise UsageError(f"nobody said on this machine where pictures of {found.spec.id} go; fetch them first")
        movie = read_movie(home, notes)
        folder = (movie.path if movie is not None else Path(notes.output)).parent
        if not folder.is_dir():
            raise UsageError(f"{folder} is not there yet; it is made with the first picture")
        return folder

    _named(job)
    studio.face.work(look, studio.face.reveal)


def author_of(preferences: Preferences) -> Author | None:
    """Who signs pictures that come home, by the preferences; None for nobody. Raises what `read_author` raises."""
    from studio.farm.trust.credits import read_author

    return read_author(rights=preferences.rights_holder) if preferences.content_credentials else None


def _named(job: str) -> str:
    if not job:
        raise UsageError("say which job; choose it among the farm's jobs")
    return job
