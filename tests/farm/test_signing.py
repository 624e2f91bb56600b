"""Signatures, enrolment, keys, the log: what was tampered with, replayed, revoked or expired is told in a sentence."""

from __future__ import annotations

import json
import os
import pickle
import sys
import types
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.errors import BadAsset, CannotWrite, StudioError, Unsupported, UsageError
from studio.farm.jobs import RenderJob, job_key
from studio.farm.model import JobSpec, Lease, NodeInfo, Piece, Result, Usage
from studio.farm.service import Service
from studio.farm.store import open_store
from studio.farm.trust.canonical import canonical, number_text
from studio.farm.trust.keys import keep_key, kept_key, read_key, read_roster, write_key, write_roster
from studio.farm.trust.signing import (
    Key,
    Member,
    Roster,
    Statement,
    Untrusted,
    check_bundle,
    check_job,
    check_log,
    check_result,
    check_signature,
    checked,
    enrolment,
    job_body,
    read_statement,
    result_body,
    signed,
)
from studio.render.settings import RenderSettings

NOW = 1_800_000_000.0
ARTIST, NODE = Key.of(b"a" * 32), Key.of(b"n" * 32)
ROSTER = (
    Roster()
    .with_member(ARTIST.public, Member(name="ann", role="artist", since=NOW))
    .with_member(NODE.public, Member(name="n1", role="node", since=NOW))
)
JOB = RenderJob(
    spec=JobSpec(id="j", name="hall", bundle="b" * 64, pieces=(Piece(frame=24.5, samples=64),), owner="ann"),
    settings=RenderSettings(width=64, height=36, samples=64),
)
LEASE = Lease(job="j", piece=0, range=(0, 16), attempt=(1 << 40) + 3, node="n1", begun=NOW, expires=NOW + 90)
RESULT = Result(range=(0, 8), key="jobs/j/units/f24_5/0-8.3.part", digest="d" * 64, usage=Usage(render_s=2.5))


def signed_result(**changes: object) -> Statement:
    body = {**result_body(JOB, LEASE, RESULT, build="1+x", t0=NOW, t1=NOW + 3), **changes}
    return NODE.sign("result", body, at=NOW)


# --- canonical text --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "text"),
    [
        # RFC 8785, appendix B
        (0.0, "0"),
        (-0.0, "0"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (9007199254740992.0, "9007199254740992"),
        (295147905179352830000.0, "295147905179352830000"),
        (9.999999999999997e22, "9.999999999999997e+22"),
        (1e23, "1e+23"),
        (999999999999999700000.0, "999999999999999700000"),
        (1e21, "1e+21"),
        (9.999999999999997e-7, "9.999999999999997e-7"),
        (0.000001, "0.000001"),
        (333333333.33333329, "333333333.3333333"),
        (-0.0000033333333333333333, "-0.0000033333333333333333"),
        (1424953923781206.2, "1424953923781206.2"),
        (24.0, "24"),
    ],
)
def test_a_number_has_the_text_that_ecmascript_gives_it(value: float, text: str):
    assert number_text(value) == text


# without subnormal numbers, which some libraries of the renderer have the processor read as 0
@given(value=st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))
@settings(max_examples=200, deadline=None)
def test_a_number_comes_back_from_its_text(value):
    assert float(number_text(value)) == value


def test_a_record_has_one_text_whatever_the_order_of_its_members():
    assert (
        canonical({"b": [1, True, None], "a": "ü\n\u2028\x1f"})
        == '{"a":"ü\\n\u2028\\u001f","b":[1,true,null]}'.encode()
    )
    assert canonical({"\U0001f600": 1, "\ufb33": 2}) == '{"\U0001f600":1,"\ufb33":2}'.encode()  # by UTF-16, RFC 8785
    assert json.loads(canonical(JOB))["spec"]["name"] == "hall"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1 << 60, {1: 2}, "\ud800", b"\xff" and object()])
def test_what_has_no_canonical_text_is_refused(value: object):
    with pytest.raises((BadAsset, TypeError)):
        canonical(value)


def test_a_deep_record_is_refused():
    deep: object = 1
    for _ in range(100):
        deep = [deep]
    with pytest.raises(BadAsset, match="levels"):
        canonical(deep)


# --- statements ------------------------------------------------------------------------------------------------------
def test_what_was_signed_is_believed():
    said = read_statement(msgspec.json.encode(ARTIST.sign("job", job_body(JOB), at=NOW)), "a test")
    assert check_job(said, JOB, ROSTER, at=NOW + 10).name == "ann"
    assert check_bundle(NODE.sign("bundle", {"bundle": "b" * 64}, at=NOW), "b" * 64, ROSTER, at=NOW).name == "n1"
    assert check_result(signed_result(), JOB, LEASE, RESULT, ROSTER, at=NOW).name == "n1"


@pytest.mark.parametrize("member", ["what", "body", "key", "at", "until", "once", "signature"])
def test_what_was_tampered_with_is_not(member: str):
    said = ARTIST.sign("job", job_body(JOB), at=NOW)
    forged = {
        "what": "bundle",
        "body": {**said.body, "job": "k"},
        "key": NODE.public,
        "at": said.at - 1,
        "until": said.until + 1,
        "once": "0" * 32,
        "signature": said.signature[:-4] + "AAA=",
    }[member]
    with pytest.raises(Untrusted, match="changed on the way"):
        checked(msgspec.structs.replace(said, **{member: forged}), "job", ROSTER, at=NOW)


@given(data=st.binary(max_size=300))
@settings(max_examples=80, deadline=None)
def test_noise_is_no_statement(data):
    with pytest.raises(BadAsset):
        checked(read_statement(data, "noise"), "job", ROSTER, at=NOW)


def test_a_changed_job_is_told_from_the_signed_one():
    said = ARTIST.sign("job", job_body(JOB), at=NOW)
    other = msgspec.structs.replace(JOB, settings=msgspec.structs.replace(JOB.settings, samples=65))
    with pytest.raises(Untrusted, match="is not the job j"):
        check_job(said, other, ROSTER, at=NOW)


def test_a_node_signs_no_jobs():
    with pytest.raises(Untrusted, match='"n1" is no artist'):
        check_job(NODE.sign("job", job_body(JOB), at=NOW), JOB, ROSTER, at=NOW)


def test_what_has_expired_or_is_of_the_future_is_refused():
    said = ARTIST.sign("job", job_body(JOB), at=NOW, life_s=60)
    with pytest.raises(Untrusted, match="expired"):
        check_job(said, JOB, ROSTER, at=NOW + 61)
    assert check_job(said, JOB, ROSTER, at=NOW - 200).name == "ann"  # clocks differ a little
    with pytest.raises(Untrusted, match="future"):
        check_job(said, JOB, ROSTER, at=NOW - 1000)


def test_what_was_shown_before_is_refused():
    said, seen = ARTIST.sign("job", job_body(JOB), at=NOW), set[str]()
    checked(said, "job", ROSTER, at=NOW, seen=seen)
    with pytest.raises(Untrusted, match="shown before"):
        checked(said, "job", ROSTER, at=NOW, seen=seen)


def test_a_result_counts_only_where_it_was_made():
    said = signed_result()
    elsewhere = (
        (msgspec.structs.replace(LEASE, attempt=LEASE.attempt + 1), RESULT, "attempt"),
        (LEASE, msgspec.structs.replace(RESULT, range=(8, 16)), "samples"),
        (LEASE, msgspec.structs.replace(RESULT, digest="e" * 64), "digest"),
    )
    for lease, result, what in elsewhere:
        with pytest.raises(Untrusted, match=f"another {what}"):
            check_result(said, JOB, lease, result, ROSTER, at=NOW)
    with pytest.raises(Untrusted, match='signed a result of "n2"'):
        check_result(said, JOB, msgspec.structs.replace(LEASE, node="n2"), RESULT, ROSTER, at=NOW)


def test_a_result_carries_its_signature_and_is_the_same_when_signed_again():
    made = signed(RESULT, LEASE, JOB, NODE, build="1+x")
    assert made == signed(made, LEASE, JOB, NODE, build="1+x"), "a delivery that is repeated is the same delivery"
    assert msgspec.json.decode(msgspec.json.encode(made), type=Result) == made
    assert msgspec.json.decode(b'{"range":[0,8],"key":"k","digest":"d"}', type=Result).signature is None
    member = Member(name="n1", role="node", since=NOW, key=NODE.public)
    said = check_signature(made, LEASE, JOB, member, at=NOW + 60)
    assert said.body["t0"] == NOW and said.body["build"] == "1+x"
    device = msgspec.structs.replace(LEASE, node="n1/gpu 1")
    check_signature(signed(RESULT, device, JOB, NODE), device, JOB, member, at=NOW)


def test_a_signature_that_is_not_the_members_on_this_result_is_refused():
    member = Member(name="n1", role="node", since=NOW, key=NODE.public)
    made = signed(RESULT, LEASE, JOB, NODE)
    attempts = msgspec.structs.replace(LEASE, attempt=LEASE.attempt + 1)
    more = msgspec.structs.replace(made, usage=Usage(render_s=25.0))
    for result, lease, what in (
        (RESULT, LEASE, "has not signed"),
        (msgspec.structs.replace(made, signature={"what": 3}), LEASE, "cannot be read"),
        (msgspec.structs.replace(made, signature={**made.signature, "at": 0}), LEASE, "changed on the way"),
        (signed(RESULT, LEASE, JOB, ARTIST), LEASE, "nobody here knows"),
        (msgspec.structs.replace(made, digest="e" * 64), LEASE, "another digest"),
        (made, attempts, "another attempt"),
        (more, LEASE, "another usage"),
        (made, msgspec.structs.replace(LEASE, node="n1x"), 'signed a result of "n1x"'),
    ):
        with pytest.raises(Untrusted, match=what):
            check_signature(result, lease, JOB, member, at=NOW)
    with pytest.raises(Untrusted, match="expired"):
        check_signature(made, LEASE, JOB, member, at=NOW + 40 * 24 * 3600)


def test_a_revoked_key_counts_no_more_and_does_not_come_back():
    roster = ROSTER.without(NODE.public, at=NOW, why="it forged frames")
    with pytest.raises(Untrusted, match="revoked \\(it forged frames\\)"):
        check_result(signed_result(), JOB, LEASE, RESULT, roster, at=NOW)
    with pytest.raises(UsageError, match="revoked"):
        roster.with_member(NODE.public, Member(name="n1", role="node", since=NOW))
    code, roster = roster.invite("n1", at=NOW)
    with pytest.raises(Untrusted, match="revoked"):
        roster.enrol(enrolment(NODE, code, at=NOW), at=NOW)


def test_a_stranger_is_not_known():
    with pytest.raises(Untrusted, match="nobody here knows"):
        check_job(Key.made().sign("job", job_body(JOB), at=NOW), JOB, ROSTER, at=NOW)


# --- enrolment -------------------------------------------------------------------------------------------------------
def test_a_code_brings_one_node_in_once():
    code, roster = Roster().invite("n9", at=NOW, trust=2)
    assert code.encode() not in msgspec.json.encode(roster)
    key = Key.made()
    request = enrolment(key, f" {code}\n", at=NOW)
    assert code.encode() not in msgspec.json.encode(request)
    joined = roster.enrol(request, at=NOW)
    assert joined.members[key.public] == Member(name="n9", role="node", since=NOW, trust=2)
    with pytest.raises(Untrusted, match="used already"):
        joined.enrol(request, at=NOW)
    with pytest.raises(Untrusted, match="used already"):
        joined.enrol(enrolment(Key.made(), code, at=NOW), at=NOW)


def test_a_wrong_an_expired_and_a_stolen_code_bring_nobody_in():
    code, roster = Roster().invite("n9", at=NOW, life_s=60)
    with pytest.raises(Untrusted, match="nobody gave"):
        roster.enrol(enrolment(NODE, "1234", at=NOW), at=NOW)
    with pytest.raises(Untrusted, match="expired"):
        roster.enrol(enrolment(NODE, code, at=NOW), at=NOW + 61)
    heard = enrolment(NODE, code, at=NOW)  # somebody on the way takes its proof for a key of his own
    stolen = Key.made().sign("enrol", heard.body, at=NOW)
    with pytest.raises(Untrusted, match="does not know the code"):
        roster.enrol(stolen, at=NOW)


# --- keys ------------------------------------------------------------------------------------------------------------
def test_a_key_stays_in_its_file_and_shows_itself_nowhere(tmp_path: Path):
    path, key = tmp_path / "keys" / "artist.key", Key.made()
    write_key(path, key)
    assert read_key(path).public == key.public
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().strip() not in repr(key) + str(key) + str(vars(key))
    with pytest.raises(CannotWrite, match="already"):
        write_key(path, key)
    with pytest.raises(TypeError, match="not copied"):
        pickle.dumps(key)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_a_key_that_others_may_read_is_refused(tmp_path: Path):
    path = tmp_path / "a.key"
    write_key(path, Key.made())
    os.chmod(path, 0o640)
    with pytest.raises(UsageError, match="others may read"):
        read_key(path)


@pytest.mark.parametrize("text", [b"", b"AAAA", b"\xff" * 40, b"not a key"])
def test_what_is_no_key_is_told_without_being_shown(tmp_path: Path, text: bytes):
    path = tmp_path / "a.key"
    path.write_bytes(text)
    path.chmod(0o600)
    with pytest.raises(BadAsset, match="no signing key") as fault:
        read_key(path)
    assert not text or text.decode("latin-1") not in str(fault.value)


def test_the_keyring_keeps_a_key_and_its_absence_is_a_sentence(monkeypatch: pytest.MonkeyPatch):
    kept: dict[tuple[str, str], str] = {}
    ring, errors = types.ModuleType("keyring"), types.ModuleType("keyring.errors")
    errors.KeyringError = type("KeyringError", (Exception,), {})  # type: ignore[attr-defined]
    ring.get_password = lambda service, name: kept.get((service, name))  # type: ignore[attr-defined]
    ring.set_password = lambda service, name, text: kept.__setitem__((service, name), text)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", ring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    assert kept_key("artist") is None
    keep_key("artist", ARTIST)
    assert kept_key("artist").public == ARTIST.public  # type: ignore[union-attr]

    def closed(service: str, name: str) -> str:
        raise errors.KeyringError("locked")  # type: ignore[attr-defined]

    ring.get_password = closed  # type: ignore[attr-defined]
    with pytest.raises(Unsupported, match="does not open"):
        kept_key("artist")
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(Unsupported, match="no keyring"):
        kept_key("artist")


def test_a_roster_comes_back_from_its_file(tmp_path: Path):
    path = tmp_path / "roster.json"
    assert read_roster(path) == Roster()
    _, roster = ROSTER.without(NODE.public, at=NOW).invite("n2", at=NOW)
    write_roster(path, roster)
    assert read_roster(path) == roster
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadAsset, match="damaged"):
        read_roster(path)


# --- the log ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def logged(tmp_path: Path) -> Service:
    """A service that has written three blocks of a job, then another that goes on."""
    service = Service(open_store(tmp_path))
    service.submit(JOB)
    service.join(NodeInfo(id="n1", memory_bytes=1 << 30))
    service.flush()
    lease = service.ask("n1")
    assert lease is not None
    service.flush()
    service.fail(lease.attempt, 20, "busy")
    service.flush()
    after = Service(open_store(tmp_path))
    after.recover()
    after.flush()
    return after


def test_a_log_is_gone_through_over_coordinators(logged: Service):
    log = check_log(logged.store, "j")
    assert log.blocks == 4
    assert [e.kind for e in log.events] == ["submitted", "leased", "failed", "submitted"]
    assert check_log(logged.store, "j", heads=log.heads) == log
    said = ARTIST.sign("log", log.heads, at=NOW)
    assert checked(said, "log", ROSTER, at=NOW).name == "ann"


def test_the_chain_goes_over_coordinators_so_one_of_the_first_cannot_go_unseen(logged: Service):
    store = logged.store
    keys = sorted(key for key, _ in store.list(job_key("j", "events")))
    whole = [store.get(key) for key in keys]
    for damage in ([0, 1, 2], [2]):  # all of the first coordinator; its end
        for number in damage:
            store.delete(keys[number])
        with pytest.raises(BadAsset, match="does not follow"):
            check_log(store, "j")
        for number in damage:
            store.put(keys[number], whole[number])
    assert check_log(store, "j").blocks == 4


def test_coordinators_that_work_at_once_have_logs_that_hold(tmp_path: Path):
    store = open_store(tmp_path)
    first, second = Service(store), Service(store)
    for service in (first, second):
        service.submit(JOB)
    second.flush()
    first.flush()
    first.coordinator.pause("j")
    first.flush()
    third = Service(store)
    third.submit(JOB)
    third.flush()
    assert check_log(store, "j").blocks == 4


@pytest.mark.parametrize("how", ["change", "remove", "swap", "cut", "insert", "strange"])
def test_a_log_that_was_changed_is_told(logged: Service, how: str):
    store = logged.store
    heads = check_log(store, "j").heads
    keys = sorted(key for key, _ in store.list(job_key("j", "events")))
    if how == "change":
        store.put(keys[0], store.get(keys[0]).replace(b"submitted", b"submitteD"))
    elif how == "remove":
        store.delete(keys[1])
    elif how == "swap":
        first, second = store.get(keys[1]), store.get(keys[2])
        store.put(keys[1], second)
        store.put(keys[2], first)
    elif how == "cut":
        store.delete(keys[2])
    elif how == "insert":
        store.put(keys[3].replace("000000", "000001"), store.get(keys[3]))
    else:
        store.put(job_key("j", "events", "notes.json"), b"{}")
    with pytest.raises(StudioError) as fault:
        check_log(store, "j", heads=heads)
    assert isinstance(fault.value, BadAsset)
    assert "\n" not in str(fault.value)
