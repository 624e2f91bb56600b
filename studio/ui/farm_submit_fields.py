"""The fields of the panel that sends to the farm. Each stands there only where what it says has an effect: a cap where
somebody counts money, tiles and nodes where our own coordinator deals, trust where others than this machine can see."""

from __future__ import annotations

import os

from PySide6.QtWidgets import QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.farm.asking import has_cap
from studio.farm.engines.engine import engines
from studio.farm.wish import LOCAL, STORE
from studio.render.export import FORMATS
from studio.ui import bars
from studio.ui.export_fields import ExportFields
from studio.ui.farm_submit_rows import PREFIX, Rows, Shown
from studio.ui.form_rows import Change, tool, word
from studio.ui.i18n import say, tr
from studio.ui.number_edit import Range
from studio.ui.panel import Desk

_WHERES = {
    LOCAL: N_("This machine"),
    STORE: N_("A coordinator at a store"),
    "ray": N_("Ray cluster"),
    "openjd": N_("Open Job Description"),
    "opencue": N_("OpenCue"),
    "flamenco": N_("Flamenco"),
}
_TOLD = {
    LOCAL: N_("Node processes beside the studio. They hand in what they have when it is left, and go on another day."),
    STORE: N_("Whoever serves the store takes the job; this machine may be shut."),
    "ray": N_(
        "All machines of the cluster must reach the store. The token is read from RAY_AUTH_TOKEN, from"
        " ~/.ray/auth_token or from the keyring, and kept nowhere else."
    ),
    "openjd": N_("Writes a job into the folder, for openjd run or Deadline Cloud; somebody submits it there."),
    "opencue": N_("Writes a job into the folder, which all machines see; somebody submits it there."),
    "flamenco": N_("The manager takes the job; all its workers see the folder."),
}
_TRUSTS = (N_("Own machines"), N_("Studio network"), N_("Contracted cloud"), N_("Public nodes"))
_SEEN_BY = (
    N_("Only your own machines get to see it."),
    N_("Whoever may use the machines of the studio's network can see it."),
    N_(
        "Whoever owns the rented machines can read what they render. Encryption does not protect from the owner of the"
        " machine."
    ),
    N_(
        "Strangers can read what their machines render of it. Encryption does not protect from the owner of the"
        " machine."
    ),
)
_SEEN_HERE = N_("Only this machine gets to see it.")
_FOLDERS = ("openjd", "opencue")


class Fields:
    """Makes the rows; `by_name` are the controls that findings lead to."""

    def __init__(self, studio: Studio, desk: Desk, rows: Rows, change: Change) -> None:
        self._studio, self._desk, self._rows, self._change = studio, desk, rows, change
        self.by_name: dict[str, QWidget] = {}
        self._pictures()
        self._where()
        self._seen_by()
        self._cost()

    # --- what is rendered --------------------------------------------------------------------------------------------
    def _pictures(self) -> None:
        rows, change = self._rows, self._change
        rows.section(N_("Pictures"))
        name = rows.line("name", N_("Name of the job"), change, lambda shown: shown.farm.name)
        rows.follow(lambda shown: name.setPlaceholderText(self._studio.scene.name or tr("The scene's name")))
        rows.row(N_("Job"), name)
        export: ExportFields[Shown] = ExportFields(self._studio, rows, change, lambda shown: shown.export)
        frames = export.frames()
        camera = export.camera()
        width, _ = export.size()
        export.usual_sizes(fills=True)
        samples = rows.number(
            "samples",
            N_("Samples"),
            Range(lo=1.0, hi=65536.0, whole=True, soft_hi=4096.0),
            change,
            lambda shown: shown.export.samples,
        )
        rows.row(N_("Samples"), rows.beside("samples-row", samples))
        noise = rows.number(
            "error",
            N_("Noise that may stay"),
            Range(lo=0.0, hi=10.0, soft_hi=0.2),
            change,
            lambda shown: shown.export.error,
        )
        rows.row(N_("Noise target"), rows.beside("error-row", noise), lambda shown: shown.can.coordinated)
        formats = [(kind.label, name) for name, kind in FORMATS.items()]
        form = rows.menu("format", N_("Format"), formats, change, lambda shown: shown.export.format)
        rows.row(N_("Format"), form)
        output = export.output(N_("Files"), N_("Name of the files"), asks=N_("Render to"))
        self.show_names = export.show_names
        told = rows.text("movie-told")
        say(told.setText, N_("Made here of its frames, which wait beside it as EXRs."))
        rows.row("", told, lambda shown: FORMATS[shown.export.format].movie)
        self.look = rows.text("look")
        self.look.setWordWrap(False)
        more = tool(f"{PREFIX}-export", "export", N_("Change the look and the layers in the export"), self._show_export)
        rows.follow(lambda shown: self.look.setText(_look_text(shown)))
        rows.row(N_("Look"), rows.beside("look-row", self.look, more, grows=self.look))
        self.by_name |= {"frames": frames, "camera": camera, "format": form, "output": output, "settings": samples}
        self.by_name["width"] = width

    def _show_export(self) -> None:
        self._desk.show_panel("export")

    # --- where -------------------------------------------------------------------------------------------------------
    def _where(self) -> None:
        rows, change = self._rows, self._change
        rows.section(N_("Where"))
        known = [LOCAL, STORE, *(name for name in _WHERES if name in engines() and name != LOCAL)]
        others = sorted(engines().keys() - set(known))
        items: list[tuple[str, object]] = [(_WHERES[name], name) for name in known]
        where = rows.menu(
            "where",
            N_("Who renders it"),
            [*items, *((bars.Given(name), name) for name in others)],
            change,
            lambda shown: shown.wish.where,
        )
        rows.row(N_("Sent to"), where)
        told = rows.text("where-told")
        rows.follow(lambda shown: told.setText(tr(_TOLD[shown.wish.where]) if shown.wish.where in _TOLD else ""))
        rows.row("", told, lambda shown: shown.wish.where in _TOLD)

        def here(shown: Shown) -> bool:
            return shown.wish.where == LOCAL

        nodes = rows.number(
            "nodes",
            N_("Node processes"),
            Range(lo=1.0, hi=256.0, whole=True, soft_hi=16.0),
            change,
            lambda shown: shown.wish.nodes,
            width=44,
        )
        threads = rows.number(
            "threads",
            N_("Cores of each node; 0: an equal share"),
            Range(lo=0.0, hi=1024.0, whole=True, soft_hi=float(os.cpu_count() or 1)),
            change,
            lambda shown: shown.wish.threads,
            width=44,
        )
        rows.row(N_("Nodes"), rows.beside("nodes-row", nodes), here)
        share = word(N_("an equal share"))
        rows.follow(lambda shown: share.setVisible(shown.wish.threads == 0))
        rows.row(N_("Cores each"), rows.beside("threads-row", threads, share), here)
        address = rows.line("address", N_("Address"), change, lambda shown: shown.wish.address)
        find = tool(f"{PREFIX}-find-address", "folder", N_("Choose the folder…"), lambda: self._folder("address"))

        def addressed(shown: Shown) -> None:
            folder = shown.wish.where in _FOLDERS
            find.setVisible(folder)
            address.setPlaceholderText(tr("A folder") if folder else _SAMPLES.get(shown.wish.where, "https://"))

        rows.follow(addressed)
        rows.row(
            N_("Address"),
            rows.beside("address-row", address, find, grows=address),
            lambda shown: shown.wish.where not in (LOCAL, STORE),
        )
        shared = rows.line("folder", N_("Folder that the workers share"), change, lambda shown: shown.wish.folder)
        browse = tool(f"{PREFIX}-find-folder", "folder", N_("Choose the folder…"), lambda: self._folder("folder"))
        rows.row(
            N_("Shared folder"),
            rows.beside("folder-row", shared, browse, grows=shared),
            lambda shown: shown.wish.where == "flamenco",
        )
        store = rows.line("store", N_("Store"), change, lambda shown: shown.wish.store)
        pick = tool(f"{PREFIX}-find-store", "folder", N_("Choose the folder…"), lambda: self._folder("store"))

        def stored(shown: Shown) -> None:
            needed = shown.wish.where in (STORE, "ray")
            store.setPlaceholderText(tr("A folder, or s3://…") if needed else tr("This machine's own"))

        rows.follow(stored)
        say(store.setToolTip, N_("Where jobs and what is rendered of them lie: a folder, or a bucket such as s3://…"))
        rows.row(N_("Store"), rows.beside("store-row", store, pick, grows=store))
        columns = rows.number(
            "columns",
            N_("Columns that a frame is cut into"),
            Range(lo=1.0, hi=64.0, whole=True, soft_hi=8.0),
            change,
            lambda shown: shown.farm.columns,
            width=44,
        )
        cut = rows.number(
            "rows",
            N_("Rows that a frame is cut into"),
            Range(lo=1.0, hi=64.0, whole=True, soft_hi=8.0),
            change,
            lambda shown: shown.farm.rows,
            width=44,
        )
        rows.row(N_("Tiles"), rows.beside("tiles-row", columns, word("x"), cut), lambda shown: shown.can.coordinated)
        self.by_name |= {"address": address, "store": store, "tiles": columns, "folder": shared}

    def _folder(self, name: str) -> None:
        found = self._studio.face.ask_open(tr("Choose a folder"), ())
        if found is not None:
            self._change(**{name: str(found)})

    # --- who may see it ----------------------------------------------------------------------------------------------
    def _seen_by(self) -> None:
        rows = self._rows
        rows.section(N_("Who may see it"))
        trust = rows.menu(
            "trust",
            N_("Machines that may see it"),
            [(text, level) for level, text in enumerate(_TRUSTS)],
            self._change,
            lambda shown: min(shown.farm.trust, shown.can.trust),
        )

        def levels(shown: Shown) -> None:
            trust.fill([(text, level) for level, text in enumerate(_TRUSTS[: shown.can.trust + 1])])
            trust.choose(min(shown.farm.trust, shown.can.trust))

        rows.follow(levels)
        rows.row(N_("Trust"), trust, lambda shown: shown.can.trust > 0)
        self.seen_by = rows.text("seen-by")

        def told(shown: Shown) -> None:
            level = min(shown.farm.trust, shown.can.trust)
            self.seen_by.setText(tr(_SEEN_HERE if shown.can.trust == 0 else _SEEN_BY[level]))
            role = "dim" if level < 2 else "caution"
            if self.seen_by.property("role") != role:
                self.seen_by.setProperty("role", role)
                self.seen_by.style().unpolish(self.seen_by)
                self.seen_by.style().polish(self.seen_by)

        rows.follow(told)
        rows.row("", self.seen_by)
        self.by_name["trust"] = trust

    # --- how soon, and for how much ----------------------------------------------------------------------------------
    def _cost(self) -> None:
        rows, change = self._rows, self._change
        rows.section(N_("How soon, and for how much"))
        priority = rows.number(
            "priority",
            N_("Priority: 100 is the soonest"),
            Range(lo=0.0, hi=100.0, whole=True),
            change,
            lambda shown: shown.farm.priority,
        )
        rows.row(N_("Priority"), rows.beside("priority-row", priority))
        prices = rows.line(
            "prices", N_("Price list"), change, lambda shown: shown.wish.prices, hint=N_("None: it costs nothing")
        )
        pick = tool(f"{PREFIX}-find-prices", "open", N_("Choose a price list…"), self._price_list)
        rows.row(N_("Prices"), rows.beside("prices-row", prices, pick, grows=prices))
        cap = rows.number(
            "cap",
            N_("What it may cost at the most; 0: as much as it takes"),
            Range(lo=0.0, hi=1e9, soft_hi=1000.0),
            self._capped,
            lambda shown: shown.farm.cap_micros / 1_000_000,
            width=84,
        )
        self.currency = word("")
        self.currency.setObjectName(f"{PREFIX}-currency")
        rows.row(N_("Cap"), rows.beside("cap-row", cap, self.currency), self.has_cap)
        self.by_name |= {"prices": prices, "cap": cap}

    def _capped(self, *, coalesce: str = "", cap: float = 0.0) -> None:
        self._change(coalesce=coalesce, cap_micros=round(cap * 1_000_000))

    def _price_list(self) -> None:
        found = self._studio.face.ask_open(tr("Choose a price list"), (".json",))
        if found is not None:
            self._change(prices=str(found))

    def has_cap(self, shown: Shown) -> bool:
        """Whether a cap means something where the job goes."""
        return has_cap(shown.wish)

    def show_currency(self, currency: str) -> None:
        """The currency of the price list."""
        self.currency.setText(currency)


_SAMPLES = {"ray": "https://ray.example:8265", "flamenco": "http://flamenco.example:8080"}


def _look_text(shown: Shown) -> str:
    """How the pictures are finished, in a few words."""
    settings = shown.export
    words = [tr("scene-linear") if settings.format == "exr" else settings.view]
    if settings.format == "exr":
        layers = len(settings.aovs) + settings.light_groups + settings.cryptomatte
        words += [tr("{count} layers", count=layers)] if layers else []
    elif settings.exposure_ev is not None:
        words.append(tr("{stops} stops", stops=f"{settings.exposure_ev:+g}"))
    if settings.denoise:
        words.append(tr("denoised"))
    return ", ".join(words)
