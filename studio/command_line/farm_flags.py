"""The flags of `studio farm`. Only what argparse needs, as every `studio --help` reads it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Protocol

AddFlags = Callable[[argparse.ArgumentParser], None]


class AddRender(Protocol):
    """Adds the flags of a render; one that writes nothing needs no output."""

    def __call__(self, command: argparse.ArgumentParser, /, *, writes: bool = True) -> None:
        """Add them."""


def add_farm(farm: argparse.ArgumentParser, add_render: AddRender, add_look: AddFlags) -> None:
    """Add the actions. `add_render` and `add_look` add the flags that `studio render` has too."""
    actions = farm.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, summary: str, *, json: bool = True) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=summary, description=summary, allow_abbrev=False)
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
    fetch = action("fetch", "Merge and finish the pictures of a job that are done.", json=False)
    fetch.add_argument("job", metavar="JOB", help="name of the job, or its beginning")
    fetch.add_argument("-o", "--output", metavar="OUT", help="picture, or pattern with #### (default: as submitted)")
    fetch.add_argument("--watch", action="store_true", help="go on until all of them are there")
    fetch.add_argument("--again", action="store_true", help="write those anew that are there")
    fetch.add_argument("--previews", action="store_true", help="keep small pictures of what is not done yet")
    fetch.add_argument("--strip", metavar="FILE", help="a .jpg or .png with all frames beside one another")
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
    ledger = action("ledger", "Show accounts and entries of a farm's books.")
    ledger.add_argument("--ledger", metavar="FILE", help="the books (default: the user's own)")
    ledger.add_argument("--job", metavar="JOB", help="entries of this job alone")
    ledger.add_argument("--entries", action="store_true", help="show entries instead of accounts")
    ledger.add_argument("--verify", action="store_true", help="check every number and seal of the books")
    _add_serve(action("serve", "Run a coordinator that nodes join, and nodes of this machine."))
    _add_worker(action("worker", "Let this machine work for a coordinator."))


def _add_submit(submit: argparse.ArgumentParser) -> None:
    add = submit.add_argument
    add("--engine", default="local", metavar="NAME", help="local (default), or another engine")
    add("--address", default="", metavar="PLACE", help="folder or URL of another engine than local")
    add("--nodes", default="1", metavar="N", help="nodes of the local engine (default 1)")
    add("--tiles", metavar="CxR", help="cut every frame into columns and rows")
    add("--name", default="", metavar="NAME", help="of the job (default: the scene's)")
    add("--priority", default="50", metavar="N", help="0 to 100 (default 50); larger is sooner")
    add("--cap", default="0", metavar="AMOUNT", help="what it may cost at the most (default 0: no limit)")
    add("--prices", metavar="FILE", help="price list that the cap is reckoned by")
    add("--trust", default="0", metavar="N", help="nodes that may see it: 0 own (default), 1 studio, 2 cloud, 3 public")
    add("--wait", action="store_true", help="stay until the pictures are written")
    add("--previews", action="store_true", help="keep small pictures of what is not done yet")
    add("--check", action="store_true", help="say what would go wrong, and send nothing")


def _add_quote(quote: argparse.ArgumentParser) -> None:
    add = quote.add_argument
    add("--nodes", default="1", metavar="N", help="nodes that it would be rendered on (default 1)")
    add("--prices", metavar="FILE", help="price list (default: no money)")


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
    add("--prices", metavar="FILE", help="price list that caps are reckoned by")
    add("--until-done", action="store_true", help="end when all jobs are over")


def _add_worker(worker: argparse.ArgumentParser) -> None:
    add = worker.add_argument
    add("--coordinator", required=True, metavar="URL", help="as studio farm serve said it")
    add("--nodes", default="1", metavar="N", help="nodes on this machine (default 1)")
    add("--threads", metavar="N", help="processor cores of each (default: an equal share)")
    add("--device", default="auto", metavar="NAME", help="auto (default), cuda, metal, vulkan or cpu")
    add("--name", default="", metavar="NAME", help="what the machine is called (default: its own name)")
    add("--token-file", metavar="FILE", help="where the token is (default: MYRIAD_FARM_TOKEN, or the user's own)")
    add("--ca", metavar="FILE", help="certificate of the coordinator, where no authority vouches for it")
    add("--trust", default="0", metavar="N", help="0 own machine (default), 1 studio, 2 contracted, 3 public")
    add("--until-idle", action="store_true", help="end when there is nothing to do")
