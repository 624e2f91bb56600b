"""How the farm panel says things: states, ends, what the log tells, times and money, each with its sign."""

from __future__ import annotations

import time
from pathlib import Path

from PySide6.QtGui import QIcon

from studio.commands.registry import N_
from studio.farm.model import Event
from studio.farm.seen import known
from studio.farm.seen.states import FrameState, JobState, News
from studio.farm.wish import LOCAL
from studio.render.export import is_movie
from studio.ui import theme
from studio.ui.i18n import tr
from studio.ui.queue_model import duration

MILLION = 1_000_000
STATES = {
    "waiting": N_("Waiting"),
    "running": N_("Running"),
    "alone": N_("No nodes"),
    "paused": N_("Paused"),
    "draining": N_("Finishing"),
    "making": N_("Encoding"),
    "done": N_("Done"),
    "failed": N_("Failed"),
    "lost": N_("Lost"),
    "cancelled": N_("Cancelled"),
    "capped": N_("At its cap"),
}
_STATE_ICONS = {
    "waiting": ("pause", "dim"),
    "running": ("play", "accent"),
    "alone": ("notice-warning", "warning"),
    "paused": ("pause", "warning"),
    "draining": ("pause", "accent"),
    "making": ("play", "accent"),
    "done": ("check", "good"),
    "failed": ("notice-error", "error"),
    "lost": ("notice-error", "error"),
    "cancelled": ("close", "dim"),
    "capped": ("notice-warning", "warning"),
}
MARKS = {
    "waiting": N_("Waiting"),
    "working": N_("At work"),
    "done": N_("Rendered, not fetched yet"),
    "here": N_("Its picture is here"),
    "missing": N_("Its picture was moved or removed; fetch it again"),
}
MARK_ICONS = {
    "waiting": ("more", "disabled"),
    "working": ("play", "accent"),
    "done": ("fetch", "info"),
    "here": ("check", "good"),
    "missing": ("missing", "warning"),
}
_MOVIE_MARKS = {
    "here": N_("It is in the movie"),
    "missing": N_("Its movie was moved or removed; fetch it again"),
}
TRUSTS = (N_("This machine"), N_("Studio"), N_("Contracted"), N_("Public"))
NODE_STATES = {
    "idle": N_("Idle"),
    "working": N_("At work"),
    "draining": N_("Finishing"),
    "distrusted": N_("Not trusted any more"),
    "": N_("Gone"),
}
_EVENTS = {
    "submitted": N_("Taken up"),
    "extended": N_("More samples asked for"),
    "sufficed": N_("As good as asked for"),
    "rewound": N_("Decided anew what needs more samples"),
    "leased": N_("Unit begun"),
    "adopted": N_("Unit goes on under a new coordinator"),
    "cut": N_("Rest of the unit given to another node"),
    "delivered": N_("Unit delivered"),
    "failed": N_("Unit failed"),
    "expired": N_("Node fell silent"),
    "lost": N_("Node went away"),
    "blocked": N_("Node gets no more of this job"),
    "retracted": N_("Result taken back"),
    "checked": N_("Checked"),
    "paused": N_("Paused"),
    "draining": N_("Finishing its units"),
    "resumed": N_("Goes on"),
    "cancelled": N_("Cancelled"),
    "capped": N_("Stopped at its cap"),
    "done": N_("Done"),
    "priority": N_("Priority changed"),
    "cap": N_("Cap changed"),
    "joined": N_("Node came"),
    "left": N_("Node left"),
}
_FAULTS = ("failed", "expired", "lost", "blocked", "retracted")
KINDS = (
    (N_("All kinds"), ""),
    (N_("Faults"), "faults"),
    (N_("Deliveries"), "deliveries"),
    (N_("Units begun"), "begun"),
    (N_("Checks"), "checks"),
    (N_("The job"), "job"),
)


def state_of(job: JobState) -> str:
    """The state that is shown: a job that wants nodes and has none is "alone", one whose frames become its movie is
    "making"."""
    if job.movie == "making":
        return "making"
    return "alone" if job.alone else job.standing.state


def state_text(state: str) -> str:
    """A state in the present language."""
    return tr(STATES.get(state, state))


def state_icon(state: str) -> QIcon:
    """The sign of a state; its colour is not all that tells it."""
    return theme.icon(*_STATE_ICONS.get(state, ("pause", "dim")))


def mark_text(frame: FrameState) -> str:
    """How a frame stands, and where it is: in a picture of its own or in a movie."""
    movie = frame.path is not None and is_movie(frame.path)
    return tr(_MOVIE_MARKS[frame.mark] if movie and frame.mark in _MOVIE_MARKS else MARKS[frame.mark])


def is_fault(event: Event) -> bool:
    """Whether something went wrong."""
    return event.kind in _FAULTS or (event.kind == "checked" and not event.text.startswith("sound"))


def in_kind(event: Event, kind: str) -> bool:
    """Whether an event is of a kind of `KINDS`."""
    match kind:
        case "faults":
            return is_fault(event)
        case "deliveries":
            return event.kind == "delivered"
        case "begun":
            return event.kind in ("leased", "adopted", "cut")
        case "checks":
            return event.kind in ("checked", "retracted")
        case "job":
            return not event.attempt and not event.node
        case _:
            return True


def event_text(event: Event) -> str:
    """What kind of thing happened."""
    if event.kind == "failed" and not event.attempt:
        return tr("Failed")
    return tr(_EVENTS.get(event.kind, event.kind))


def event_detail(event: Event) -> str:
    """What an event says beyond its kind: the sentence of a fault, an amount, who asked for it."""
    text = event.text
    if event.kind in ("delivered", "retracted"):
        text = ""  # the key of the partial, which is of no use to an artist
    elif event.kind == "checked" and text.startswith("sound"):
        text = tr("It is sound.")
    elif event.kind == "failed" and event.attempt:
        code, _, rest = text.partition(":")
        text = rest.strip() or tr("It ended with code {code}.", code=code)
    elif event.kind == "cap" and text.isdecimal():
        text = money(int(text[:18]), "") if int(text[:18]) else tr("No cap")
    who = tr("by {who}", who=event.by) if event.by else ""
    return "  ".join(part for part in (text, who) if part)


def clock(at: float) -> str:
    """A time of the day, with the date when it was not today."""
    moment, now = time.localtime(at), time.localtime()
    same = (moment.tm_year, moment.tm_yday) == (now.tm_year, now.tm_yday)
    return time.strftime("%H:%M:%S" if same else "%Y-%m-%d %H:%M:%S", moment)


def age(seconds: float) -> str:
    """How long ago, in one unit."""
    whole = max(int(seconds), 0)
    if whole < 60:
        return tr("{count} s", count=whole)
    if whole < 3600:
        return tr("{count} min", count=whole // 60)
    if whole < 48 * 3600:
        return tr("{count} h", count=whole // 3600)
    return tr("{count} days", count=whole // 86400)


def money(micros: int, currency: str) -> str:
    """An amount with two digits, or as many as it takes to be more than nothing."""
    value = micros / MILLION
    digits = 2 if value == 0 or abs(value) >= 0.005 else 4
    return f"{value:,.{digits}f} {currency}".strip()


def left(job: JobState) -> str:
    """How long a job takes yet."""
    return duration(job.left_s) if job.left_s is not None else ""


def cost(job: JobState) -> str:
    """What a job has cost and may cost."""
    spent = money(job.spent_micros, "" if job.cap_micros else job.currency) if job.spent_micros is not None else "–"
    if job.cap_micros:
        return f"{spent} / {money(job.cap_micros, job.currency)}"
    return spent if job.spent_micros is not None else ""


def reason(job: JobState) -> str:
    """Why a job stands as it does, or why its pictures do not come; "" when there is nothing to say."""
    told = job.fault or job.standing.why or (job.lack if job.movie == "here" else "")
    if told:
        return told[:1].upper() + told[1:]
    if job.movie == "making":
        return tr("Making the movie: {done} of {total} frames.", done=job.encoded, total=job.standing.frames)
    if job.movie == "missing":
        return tr("{name} was moved or removed. Fetch now makes it again.", name=Path(job.output).name)
    if state_of(job) == "alone":
        if job.engine == LOCAL or job.place == known.own_store():
            return tr("Nobody works at this store now. Go on with the job, and this machine starts its nodes.")
        return tr("Nobody works at this store now; it waits for nodes, as by studio farm serve --nodes 1.")
    if not job.output:
        return tr("This machine does not know where the pictures go; choose it by Fetch now.")
    return ""


def news_text(news: News) -> tuple[str, str]:
    """What became of a job, as a sentence and the kind of its notice."""
    job = news.job
    match news.what:
        case "done" if news.output and is_movie(Path(news.output)):
            made = tr("{name} is made: {count} frames.", name=Path(news.output).name, count=job.frames)
            return (f"{made} {news.lack}", "warning") if news.lack else (made, "info")
        case "unmade":
            return tr("{name} is rendered, and its movie cannot be made: {why}", name=job.name, why=news.fault), "error"
        case "done" if news.output:
            return tr("{name} is rendered: {count} frames.", name=job.name, count=job.frames), "info"
        case "done":
            return (
                tr("{name} is rendered: {count} frames wait to be fetched.", name=job.name, count=job.frames),
                "info",
            )
        case "failed" | "lost" if job.why:
            return tr("{name} failed: {why}", name=job.name, why=job.why), "error"
        case "failed" | "lost":
            return tr("{name} failed.", name=job.name), "error"
        case "capped":
            return tr("{name} stopped at its cap; raise the cap and it goes on.", name=job.name), "warning"
        case "cancelled":
            return tr("{name} was cancelled; what is rendered stays in the store.", name=job.name), "info"
        case _:
            return tr("{name} waits, and nobody works at its store.", name=job.name), "warning"
