"""Members of a farm: who is invited, enrols, works and is revoked, and what of it lies on which disk."""

from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from studio.cli import main
from studio.errors import BadAsset, CannotWrite, StudioError, UsageError
from studio.farm.model import NodeInfo
from studio.farm.service import Service
from studio.farm.store import open_store
from studio.farm.trust.keys import read_roster
from studio.farm.trust.members import TOKEN_LIFE_S, Members, house_folder
from studio.farm.trust.membership import enrol_here, kept_membership
from studio.farm.trust.signing import CODE_LIFE_S, Key, Untrusted, enrolment
from studio.farm.wire import Guest, Remote, Server

HOUSE = "the token of the house itself"
NODE = Key.of(b"n" * 32)


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def members(tmp_path: Path, clock: Clock) -> Members:
    return Members(tmp_path / "house", house=HOUSE, clock=clock)


def enrolled(members: Members, name: str = "n", trust: int = 3, key: Key = NODE, at: float = 1_800_000_000.0) -> str:
    return members.enrol(enrolment(key, members.invite(name, trust), at=at))


# --- at the door -----------------------------------------------------------------------------------------------------
def test_whose_token_it_is_is_known_and_nobody_elses(members: Members) -> None:
    token = enrolled(members, trust=2)
    assert members.admit(token) == Guest(node="n", trust=2)
    assert members.admit(HOUSE) == Guest()
    for wrong in ("", "n", token[:-1], token + "x", HOUSE[:-1], "é" * 40):
        assert members.admit(wrong) is None
    found = members.member_of("n/gpu 1")
    assert found is not None and found.key == NODE.public and members.member_of("n").trust == 2  # type: ignore[union-attr]
    assert members.member_of("m") is None and members.member_of("nn") is None


def test_the_farm_keeps_what_checks_a_token_and_a_code_and_neither(members: Members, tmp_path: Path) -> None:
    code = members.invite("m")
    token = enrolled(members)
    kept = (tmp_path / "house" / "roster.json").read_text()
    assert token not in kept and code not in kept and not any(part in kept for part in code.split("-"))
    member = members.roster.members[NODE.public]
    assert members.admit(member.token) is None, "who reads the roster cannot come in by it"
    if sys.platform != "win32":
        assert (tmp_path / "house" / "roster.json").stat().st_mode & 0o77 == 0


def test_a_token_ends(members: Members, clock: Clock) -> None:
    token = enrolled(members)
    clock.now += TOKEN_LIFE_S + 1
    assert members.admit(token) is None and members.admit(HOUSE) == Guest()


def test_who_is_revoked_is_out_at_the_next_request_whoever_revoked(members: Members, tmp_path: Path) -> None:
    token = enrolled(members)
    assert members.admit(token) is not None
    Members(tmp_path / "house").revoke("n", "it forged frames")  # another process
    assert members.admit(token) is None and members.member_of("n") is None
    assert members.roster.revoked[NODE.public].why == "it forged frames"
    with pytest.raises(Untrusted, match="revoked"):
        enrolled(members)
    again = enrolled(members, key=Key.of(b"m" * 32))
    assert members.admit(again) == Guest(node="n", trust=3) and members.admit(token) is None


def test_who_comes_again_has_a_new_token_and_the_old_one_ends(members: Members) -> None:
    first = enrolled(members)
    members.revoke("n")
    second = enrolled(members, key=Key.of(b"m" * 32))
    assert members.admit(first) is None and members.admit(second) is not None


def test_a_roster_that_is_damaged_keeps_members_out_and_the_house_working(members: Members, tmp_path: Path) -> None:
    token = enrolled(members)
    file = tmp_path / "house" / "roster.json"
    file.write_bytes(file.read_bytes()[:-30])
    assert members.admit(HOUSE) == Guest()
    with pytest.raises(BadAsset, match="damaged"):
        members.admit(token)
    with pytest.raises(BadAsset, match="damaged"):
        members.invite("m")
    assert file.stat().st_size > 30, "what is left of it is left"


# --- codes -----------------------------------------------------------------------------------------------------------
def test_a_code_works_once_and_for_a_day(members: Members, clock: Clock) -> None:
    said = enrolment(NODE, members.invite("n"), at=clock.now)
    late = members.invite("late")
    members.enrol(said)
    with pytest.raises(Untrusted, match="used already"):
        members.enrol(said)  # a replay
    clock.now += CODE_LIFE_S + 1
    with pytest.raises(Untrusted, match="expired"):
        members.enrol(enrolment(Key.made(), late, at=clock.now))
    with pytest.raises(Untrusted, match="nobody gave"):
        members.enrol(enrolment(Key.made(), "0" * 35, at=clock.now))
    assert list(members.roster.members) == [NODE.public]


def test_a_code_that_was_given_anew_replaces_the_one_before(members: Members, clock: Clock) -> None:
    first, second = members.invite("n"), members.invite("n", 1)
    with pytest.raises(Untrusted, match="nobody gave"):
        members.enrol(enrolment(NODE, first, at=clock.now))
    assert members.admit(members.enrol(enrolment(NODE, second, at=clock.now))) == Guest(node="n", trust=1)


def test_an_invitation_can_be_taken_back(members: Members, clock: Clock) -> None:
    code = members.invite("n")
    members.revoke("n")
    with pytest.raises(Untrusted):
        members.enrol(enrolment(NODE, code, at=clock.now))


def test_one_name_is_one_node_and_one_key(members: Members, clock: Clock) -> None:
    enrolled(members)
    with pytest.raises(UsageError, match="already"):
        members.invite("n")
    code = members.invite("m")
    with pytest.raises(Untrusted, match="a key of its own"):
        members.enrol(enrolment(NODE, code, at=clock.now))
    assert members.admit(members.enrol(enrolment(Key.made(), code, at=clock.now))) == Guest(node="m", trust=3)
    with pytest.raises(UsageError, match="no member 'x'"):
        members.revoke("x")


@pytest.mark.parametrize("name", ["", " ", "a/b", "a\\b", "a\nb", "a\0", "x" * 65, " a", "it's"])
def test_what_is_no_name_is_refused(members: Members, name: str) -> None:
    with pytest.raises(UsageError, match="no name of a node"):
        members.invite(name)


@pytest.mark.parametrize("trust", [-1, 4])
def test_what_is_no_level_is_refused(members: Members, trust: int) -> None:
    with pytest.raises(UsageError, match="no level"):
        members.invite("n", trust)


def test_many_who_change_the_roster_at_once_lose_nothing(members: Members, tmp_path: Path) -> None:
    def invite(row: int) -> None:
        other = Members(tmp_path / "house")  # as a process of its own
        for column in range(4):
            other.invite(f"n{row}.{column}")

    threads = [threading.Thread(target=invite, args=(row,)) for row in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(members.roster.invitations) == 24


# --- the node's side -------------------------------------------------------------------------------------------------
@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("MYRIAD_FARM_CODE", raising=False)
    return tmp_path / "data"


@pytest.fixture
def farm(data: Path, tmp_path: Path) -> Iterator[tuple[Server, Service, Members]]:
    """A coordinator that runs, with the roster of this user's folder."""
    service, members = Service(open_store(tmp_path / "store")), Members(house_folder(), house=HOUSE)
    with Server(service, members) as server:
        yield server, service, members


def test_a_node_enrols_works_and_is_revoked(farm: tuple[Server, Service, Members], data: Path) -> None:
    server, service, members = farm
    assert kept_membership(server.url) is None
    made = enrol_here(server.url, members.invite("n", 2) + "\n")
    found = kept_membership(server.url + "/")
    assert found is not None and (found.node, found.trust, found.token) == ("n", 2, made.token)
    assert members.member_of("n").key == found.key.public  # type: ignore[union-attr]
    assert found.token not in repr(found)
    files = list((data / "farm" / "memberships").iterdir())
    assert len(files) == 2
    if sys.platform != "win32":
        assert all(path.stat().st_mode & 0o77 == 0 for path in files)
    with Remote(server.url, found.token) as remote:
        remote.join(NodeInfo(id="n/0", trust=0))
        info = service.node_info("n/0")
        assert info is not None and info.trust == 2
        Members(house_folder()).revoke("n")
        with pytest.raises(UsageError, match="counts no more"):
            remote.ask("n/0")


def test_enrolling_again_replaces_what_was_there_and_failing_leaves_it(
    farm: tuple[Server, Service, Members], data: Path
) -> None:
    server, _, members = farm
    first = enrol_here(server.url, members.invite("n"))
    with pytest.raises(UsageError, match="nobody gave"):
        enrol_here(server.url, "0000-1111")
    assert kept_membership(server.url) == first or kept_membership(server.url).token == first.token  # type: ignore[union-attr]
    members.revoke("n")
    second = enrol_here(server.url, members.invite("n"))
    assert second.key.public != first.key.public and kept_membership(server.url).token == second.token  # type: ignore[union-attr]
    assert len(list((data / "farm" / "memberships").iterdir())) == 2


def test_a_membership_that_is_damaged_or_open_is_told(farm: tuple[Server, Service, Members], data: Path) -> None:
    server, _, members = farm
    enrol_here(server.url, members.invite("n"))
    (file,) = (data / "farm" / "memberships").glob("*.json")
    whole = file.read_bytes()
    file.write_bytes(whole[:-9])
    with pytest.raises(BadAsset, match="damaged"):
        kept_membership(server.url)
    file.write_bytes(msgspec.json.encode({**json.loads(whole), "key": "../../../etc/shadow.key"}))
    with pytest.raises(BadAsset, match="not beside it"):
        kept_membership(server.url)
    file.write_bytes(whole)
    if sys.platform != "win32":
        file.chmod(0o644)
        with pytest.raises(UsageError, match="others may read"):
            kept_membership(server.url)
    members.revoke("n")
    assert enrol_here(server.url, members.invite("n")).node == "n", "enrolling again mends it"


@pytest.mark.parametrize(
    ("url", "code", "fault", "said"),
    [
        ("http://127.0.0.1:9", "a code", CannotWrite, "does not answer"),
        ("http://farm.example", "a code", UsageError, "in the open"),
        ("ftp://farm.example", "a code", UsageError, "no address"),
        ("https://farm.example:x", "a code", UsageError, "no address"),
        ("http://127.0.0.1:9", "", UsageError, "no code"),
        ("http://127.0.0.1:9", "é", UsageError, "no code"),
    ],
)
def test_what_cannot_be_enrolled_leaves_nothing(
    data: Path, url: str, code: str, fault: type[StudioError], said: str
) -> None:
    with pytest.raises(fault, match=said):
        enrol_here(url, code)
    folder = data / "farm" / "memberships"
    assert not folder.is_dir() or not list(folder.iterdir())


# --- the command line ------------------------------------------------------------------------------------------------
def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    assert main([*arguments, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_person_invites_lists_and_revokes_while_the_farm_runs(
    farm: tuple[Server, Service, Members], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _, members = farm
    (invited,) = told(capsys, "farm", "members", "invite", "render box", "--trust", "1")
    assert told(capsys, "farm", "members", "list")[0]["event"] == "invitation"
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{invited['code']}\n"))
    (enrolled,) = told(capsys, "farm", "enrol", "--coordinator", server.url)
    assert (enrolled["node"], enrolled["trust"]) == ("render box", 1)
    kept = kept_membership(server.url)
    assert kept is not None and members.admit(kept.token) == Guest(node="render box", trust=1)
    (member,) = told(capsys, "farm", "members", "list")
    assert (member["event"], member["node"], member["key"]) == ("member", "render box", kept.key.public)
    told(capsys, "farm", "members", "revoke", "render box", "--why", "sold")
    assert members.admit(kept.token) is None
    (gone,) = told(capsys, "farm", "members", "list")
    assert (gone["event"], gone["why"]) == ("revoked", "sold")
    assert read_roster(house_folder() / "roster.json") == members.roster
    other = house_folder().with_name("other")
    told(capsys, "farm", "members", "invite", "elsewhere", "--house", str(other))
    assert [one.name for one in Members(other).roster.invitations.values()] == ["elsewhere"]
    assert not members.roster.invitations


def test_the_code_comes_from_a_file_or_the_environment(
    farm: tuple[Server, Service, Members],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    server, _, members = farm
    (tmp_path / "code").write_text(members.invite("n"))
    assert told(capsys, "farm", "enrol", "--coordinator", server.url, "--code-file", str(tmp_path / "code"))
    members.revoke("n")
    monkeypatch.setenv("MYRIAD_FARM_CODE", members.invite("n"))
    assert told(capsys, "farm", "enrol", "--coordinator", server.url)[0]["node"] == "n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("members", "invite", "a/b"), 2, "no name of a node"),
        (("members", "invite", "n", "--trust", "4"), 2, "--trust"),
        (("members", "revoke", "n"), 2, "no member"),
        (("enrol", "--coordinator", "http://127.0.0.1:9", "--code-file", "nowhere"), 10, "cannot be read"),
        (("enrol", "--coordinator", "http://127.0.0.1:9", "--ca", "nowhere"), 2, "certificate nowhere"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(
    data: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("a code\n"))
    assert main(["farm", *arguments]) == code
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("studio: ")]
    assert len(lines) == 1 and said in lines[0] and not out
