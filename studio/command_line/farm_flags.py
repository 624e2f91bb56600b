"""The flags of `studio farm`. Only what argparse needs, as every `studio --help` reads it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, Protocol

AddFlags = Callable[[argparse.ArgumentParser], None]


class AddRender(Protocol):
    """Adds the flags of a render; one that writes nothing needs no output."""

    def __call__(self, command: argparse.ArgumentParser, /, *, writes: bool = True) -> None:
        """Add them."""


def add_credentials(command: argparse.ArgumentParser) -> None:
    """Add the flags of content credentials."""
    add = command.add_argument
    wanted = "sign pictures: whose they are, of what, by which machines (default: the preference)"
    add("--credentials", action=argparse.BooleanOptionalAction, default=None, help=wanted)
    add("--rights", metavar="NAME", help="who holds the rights in them (default: whose certificate it is)")
    add("--certificate", metavar="FILE", help="sign by this .pem instead of that of studio farm certificate")
    add("--certificate-key", metavar="FILE", help="its key, a .pem of mode 0600")


def add_farm(farm: argparse.ArgumentParser, add_render: AddRender, add_look: AddFlags) -> None:
    """Add the actions. `add_render` and `add_look` add the flags that `studio render` has too."""
    actions = farm.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, summary: str, *, json: bool = True, store: bool = True) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        if store:
            made.add_argument("--store", metavar="PLACE", help="folder or URL with the jobs (default: the user's own)")
        if json:
            made.add_argument("--json", action="store_true", help="print JSON, one object a line")
        return made

    submit = action("submit", "Send a scene as a job; with --wait fetch its pictures.", json=False)
    add_render(submit)
    _add_submit(submit)
    quote = action("quote", "Say what a job would take, from a quick pilot render.", json=False)
    add_render(quote, writes=False)
    _add_quote(quote)
    status = action("status", "Say how jobs stand.")
    status.add_argument("jobs", nargs="*", metavar="JOB", help="names of jobs, or their beginnings (default: all)")
    status.add_argument("--watch", action="store_true", help="go on until they are over")
    status.add_argument("--nodes", action="store_true", help="show the machines that work, instead of jobs")
    fetch = action("fetch", "Merge and finish the pictures of a job that are done.", json=False)
    fetch.add_argument("job", metavar="JOB", help="name of the job, or its beginning")
    what = "picture, pattern with ####, or .mp4, .mov (default: as submitted)"
    fetch.add_argument("-o", "--output", metavar="OUT", help=what)
    fetch.add_argument("--codec", metavar="NAME", help="of a movie: h264 (.mp4), h265, prores-422hq (.mov), ...")
    fetch.add_argument("--watch", action="store_true", help="go on until all of them are there")
    fetch.add_argument("--again", action="store_true", help="write those anew that are there")
    fetch.add_argument("--previews", action="store_true", help="keep small pictures of what is not done yet")
    fetch.add_argument("--strip", metavar="FILE", help="a .jpg or .png with all frames beside one another")
    add_credentials(fetch)
    add_look(fetch)
    for name, summary in (
        ("pause", "Pause jobs; what is rendered is kept."),
        ("resume", "Go on with jobs that were paused, cancelled or failed."),
        ("cancel", "Give jobs up; what is rendered stays in the store."),
    ):
        chosen = action(name, summary)
        chosen.add_argument("jobs", nargs="+", metavar="JOB", help="names of jobs, or their beginnings")
        if name != "resume":
            chosen.add_argument("--drain", action="store_true", help="let nodes finish the units that they work at")
    change = action("change", "Change a job's priority or cap.")
    change.add_argument("job", metavar="JOB", help="name of the job, or its beginning")
    change.add_argument("--priority", metavar="N", help="0 to 100; larger is sooner")
    change.add_argument("--cap", metavar="AMOUNT", help="what it may cost at the most; 0: as much as it takes")
    log = action("log", "Show what happened to a job.")
    log.add_argument("job", metavar="JOB", help="name of the job, or its beginning")
    log.add_argument("--last", metavar="N", help="the last lines alone")
    log.add_argument("--verify", action="store_true", help="check signatures and the chain of hashes instead")
    _add_ledger(action("ledger", "Show a farm's books, and book payments, approvals and complaints.", store=False))
    _add_clean(action("clean", "Remove from a store what no job needs, and jobs that are named."))
    _add_key(action("key", "The artist's signing key, and whose keys are known.", store=False))
    _add_certificate(action("certificate", "Make a certificate to sign pictures with.", store=False))
    credentials = action("credentials", "Show and check the content credentials of pictures.", store=False)
    credentials.add_argument("pictures", nargs="+", metavar="PICTURE", help="pictures or movies")
    credentials.add_argument("--authority", metavar="FILE", help="certificates that are trusted, .pem")
    _add_members(actions.add_parser("members", **_told("Machines of others that may work for this farm.")))
    _add_enrol(action("enrol", "Make this machine a node of a farm, by a code that its owner was given.", store=False))
    _add_serve(action("serve", "Run a coordinator that nodes join, and nodes of this machine."))
    _add_worker(action("worker", "Let this machine work for a coordinator.", store=False))


def _add_submit(submit: argparse.ArgumentParser) -> None:
    add = submit.add_argument
    add("--engine", default="local", metavar="NAME", help="local (default), or another engine")
    add("--address", default="", metavar="PLACE", help="folder or URL of another engine than local")
    add("--nodes", metavar="N", help="nodes of the local engine (default: one for each GPU, or one)")
    add("--tiles", metavar="CxR", help="cut every frame into columns and rows")
    add("--name", default="", metavar="NAME", help="of the job (default: the scene's)")
    add("--priority", default="50", metavar="N", help="0 to 100 (default 50); larger is sooner")
    add("--cap", default="0", metavar="AMOUNT", help="what it may cost at the most (default 0: no limit)")
    add("--prices", metavar="FILE", help="price list that the cap is reckoned by")
    add("--owner", default="", metavar="NAME", help="whose account pays, at a farm that bills (default: customer)")
    add("--house", metavar="FOLDER", help="with --wait and --prices: bill in the books of this folder")
    add("--trust", default="0", metavar="N", help="nodes that may see it: 0 own (default), 1 studio, 2 cloud, 3 public")
    add("--keep-nodes", action="store_true", help="do not let live views borrow nodes that work at it")
    add("--wait", action="store_true", help="stay until the pictures are written")
    add("--previews", action="store_true", help="keep small pictures of what is not done yet")
    add("--check", action="store_true", help="say what would go wrong, and send nothing")


def _add_clean(clean: argparse.ArgumentParser) -> None:
    add = clean.add_argument
    add("jobs", nargs="*", metavar="JOB", help="jobs that are done or cancelled, to be removed as well")
    add("--older-than", default="1", metavar="DAYS", help="leave what is younger (default 1; at the least an hour)")
    add("--dry-run", action="store_true", help="say what would be removed, and remove nothing")


def _add_key(key: argparse.ArgumentParser) -> None:
    add = key.add_argument
    add("verb", choices=("make", "show", "trust", "revoke"), help="make or show one's own, trust or revoke another's")
    add("who", nargs="?", default="", metavar="KEY", help="the public key of another artist; to revoke also a name")
    add("--name", default="", metavar="NAME", help="whose key it is")
    add("--artists", metavar="FILE", help="list of artists' keys (default: the user's own)")


def _add_certificate(certificate: argparse.ArgumentParser) -> None:
    add = certificate.add_argument
    add("--name", default="", metavar="NAME", help="whose it is; without it the one that is there is shown")
    add("--days", default="365", metavar="N", help="how long it holds (default 365)")


def _add_quote(quote: argparse.ArgumentParser) -> None:
    add = quote.add_argument
    add("--nodes", default="1", metavar="N", help="nodes that it would be rendered on (default 1)")
    add("--prices", metavar="FILE", help="price list (default: no money)")


def _add_ledger(ledger: argparse.ArgumentParser) -> None:
    add = ledger.add_argument
    add("--ledger", metavar="FILE", help="the books (default: those of the user's house)")
    add("--job", metavar="JOB", help="entries of this job alone")
    add("--entries", action="store_true", help="show entries instead of accounts")
    add("--verify", action="store_true", help="check every number and seal of the books")
    verbs = ledger.add_subparsers(dest="verb", metavar="VERB")

    def verb(name: str, summary: str, *, json: bool = True) -> Callable[..., argparse.Action]:
        made = verbs.add_parser(name, **_told(summary))
        made.add_argument("--ledger", default=argparse.SUPPRESS, metavar="FILE", help="the books")
        if json:
            wanted = "print JSON, one object a line"
            made.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=wanted)
        return made.add_argument

    add = verb("topup", "Book money that came in.")
    add("amount", metavar="AMOUNT", help="how much")
    add("--key", required=True, metavar="TEXT", help="what it came with, like the bank's reference; counts once")
    add("--owner", default="customer", metavar="NAME", help="whose account it is for (default: customer)")
    add("--currency", default="", metavar="CODE", help="like EUR (default: that of the books)")
    add = verb("approve", "Take what a job was billed, so that its nodes can be paid.")
    add("job", metavar="JOB", help="whole name of the job")
    add("units", nargs="*", metavar="UNIT", help="units, as --entries shows them (default: all)")
    add = verb("reject", "Give back what units of a job were billed.")
    add("job", metavar="JOB", help="whole name of the job")
    add("units", nargs="*", metavar="UNIT", help="units, as --entries shows them")
    add("--all", action="store_true", help="all of the job's")
    add("--reason", required=True, metavar="TEXT", help="for the books")
    add = verb("payout", "Draw up what nodes are to be paid, and book what was paid.")
    add("-o", "--output", metavar="FILE", help="a table, .csv, to pay by (default: show it)")
    add("--paid", metavar="FILE", help="such a table with references: book the payments that have one")
    add = verb("invoice", "Show what a job costs, line by line.")
    add("job", metavar="JOB", help="whole name of the job")
    add("--issuer", default="the farm", metavar="NAME", help="who sends it (default: the farm)")
    add("-o", "--output", metavar="FILE", help=".txt or .html (default: show it)")
    add = verb("export", "Write all of the books to a file, hashes included.", json=False)
    add("output", metavar="FILE", help=".csv or .json")
    add("--csv", dest="form", action="store_const", const="csv", default="", help="write CSV, whatever the name")
    add("--json", dest="form", action="store_const", const="json", help="write JSON, whatever the name")


def _add_serve(serve: argparse.ArgumentParser) -> None:
    add = serve.add_argument
    add("--nodes", default="0", metavar="N", help="nodes of this machine that work too (default 0)")
    add("--threads", metavar="N", help="processor cores of each of them (default: an equal share)")
    add("--device", default="auto", metavar="NAME", help="auto (default), cuda, metal, vulkan or cpu")
    add("--host", default="127.0.0.1", metavar="ADDRESS", help="interface to listen at (default: this machine alone)")
    add("--port", default="0", metavar="N", help="port to listen at (default: a free one)")
    add("--certificate", metavar="FILE", help="TLS certificate, .pem; needed where others can reach it")
    add("--key", metavar="FILE", help="its key, .pem")
    add("--token-file", metavar="FILE", help="where the token is, or is put (default: the user's own)")
    add("--artists", metavar="FILE", help="whom these nodes work for alone (studio farm key trust --artists FILE)")
    add("--prices", metavar="FILE", help="price list by which jobs are billed; the books are kept in the house")
    add("--house", metavar="FOLDER", help="who may come in, what is checked, and the books (default: the user's own)")
    add("--until-done", action="store_true", help="end when all jobs are over")


def _told(summary: str) -> dict[str, Any]:
    return {"help": summary, "description": summary, "allow_abbrev": False}


def _add_members(members: argparse.ArgumentParser) -> None:
    verbs = members.add_subparsers(dest="verb", metavar="VERB", required=True)
    invite = verbs.add_parser("invite", **_told("Print a code that lets one machine in, once and within a day."))
    invite.add_argument("name", metavar="NAME", help="what the node is called from then on")
    invite.add_argument("--trust", default="3", metavar="N", help="0 own, 1 studio, 2 contracted, 3 public (default)")
    listed = verbs.add_parser("list", **_told("Show who belongs to the farm, who was invited, and who was revoked."))
    revoke = verbs.add_parser("revoke", **_told("Let a member in no more."))
    revoke.add_argument("name", metavar="NAME", help="of a member, or of who was invited")
    revoke.add_argument("--why", default="", metavar="TEXT", help="for the list")
    for verb in (invite, listed, revoke):
        verb.add_argument("--house", metavar="FOLDER", help="what studio farm serve keeps (default: the user's own)")
        verb.add_argument("--json", action="store_true", help="print JSON, one object a line")


def _add_enrol(enrol: argparse.ArgumentParser) -> None:
    add = enrol.add_argument
    add("--coordinator", required=True, metavar="URL", help="as studio farm serve said it")
    wanted = "where the code is, - for standard input (default: MYRIAD_FARM_CODE, or standard input)"
    add("--code-file", metavar="FILE", help=wanted)
    add("--ca", metavar="FILE", help="certificate of the coordinator, where no authority vouches for it")


def _add_worker(worker: argparse.ArgumentParser) -> None:
    add = worker.add_argument
    add("--coordinator", required=True, metavar="URL", help="as studio farm serve said it")
    add("--nodes", metavar="N", help="nodes on this machine (default: one for each GPU, or one)")
    add("--threads", metavar="N", help="processor cores of each (default: an equal share)")
    add("--device", default="auto", metavar="NAME", help="auto (default), cuda, metal, vulkan or cpu")
    add("--name", default="", metavar="NAME", help="what the machine is called (default: its own name)")
    add("--token-file", metavar="FILE", help="where the token is (default: MYRIAD_FARM_TOKEN, or the user's own)")
    add("--ca", metavar="FILE", help="certificate of the coordinator, where no authority vouches for it")
    add("--trust", default="0", metavar="N", help="0 own machine (default), 1 studio, 2 contracted, 3 public")
    add("--store", metavar="PLACE", help="folder or URL with the jobs (default: they come from the coordinator)")
    add("--sandbox", metavar="KIND", help="auto, bubblewrap, container or none (default: auto for 3 public, else none)")
    add("--memory", metavar="GIB", help="that nodes take together in a sandbox (default: three quarters of all)")
    add("--artists", metavar="FILE", help="work for these artists alone (studio farm key trust --artists FILE)")
    add("--until-idle", action="store_true", help="end when there is nothing to do")
