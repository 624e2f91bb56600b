"""`studio farm serve`: the address that it tells, whom its nodes work for, and what it forgets."""

from __future__ import annotations

import datetime
import ipaddress
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from studio.command_line import farm_addresses, farm_nodes
from studio.command_line.console import Console
from studio.command_line.farm_addresses import hosts_for_others, url_at
from studio.errors import UsageError
from studio.farm import local
from studio.farm.service import Service
from studio.farm.store import Store, open_store
from studio.farm.trust.artist import trust
from studio.farm.trust.signing import Key
from studio.farm.work import WorkOrder
from tests.farm.results_of import deliver_all, job_in
from tests.said import of, refused, told


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MYRIAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MYRIAD_FARM_TOKEN", raising=False)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def certificate(folder: Path, *names: str) -> tuple[Path, Path]:
    """A certificate for names and addresses, and its key."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    general: list[x509.GeneralName] = []
    for each in names:
        try:
            general.append(x509.IPAddress(ipaddress.ip_address(each)))
        except ValueError:
            general.append(x509.DNSName(each))
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
    builder = builder.serial_number(1).not_valid_before(now - day).not_valid_after(now + day)
    if general:
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
    made, key = folder / "a.pem", folder / "a.key"
    made.write_bytes(builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    key.write_bytes(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return made, key


# --- where it is -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.7", "::1", "localhost"])
def test_who_listens_for_this_machine_alone_has_no_address_for_others(host: str) -> None:
    assert hosts_for_others(host) == []


@pytest.mark.parametrize("host", ["10.0.0.5", "2001:db8::7", "farm.example"])
def test_an_address_that_was_chosen_is_the_one_that_is_told(host: str) -> None:
    assert hosts_for_others(host) == [host]


@pytest.mark.parametrize("host", ["0.0.0.0", "0", "::", "0:0::0", ""])
def test_who_listens_everywhere_is_reached_by_an_address_of_the_machine(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(farm_addresses.socket, "gethostname", lambda: "render-1")
    hosts = hosts_for_others(host)
    assert hosts[-1] == "render-1"
    for each in map(ipaddress.ip_address, hosts[:-1]):
        assert not each.is_unspecified and not each.is_loopback
        assert ":" in host or each.version == 4


def test_names_of_the_certificate_come_before_addresses_that_nodes_would_refuse(tmp_path: Path) -> None:
    made, _ = certificate(tmp_path, "farm.example", "*.example", "localhost", "10.1.2.3", "127.0.0.1", "2001:db8::7")
    assert hosts_for_others("0.0.0.0", str(made)) == ["farm.example", "10.1.2.3"]
    assert hosts_for_others("::", str(made))[-1] == "2001:db8::7"
    for nameless in (certificate(tmp_path)[0], tmp_path / "none.pem", Path(__file__)):
        assert hosts_for_others("0.0.0.0", str(nameless)) == hosts_for_others("0.0.0.0")


def test_a_url_at_another_host_keeps_its_port() -> None:
    assert url_at("farm.example", "https://0.0.0.0:8700") == "https://farm.example:8700"
    assert url_at("2001:db8::7", "https://[::]:8700") == "https://[2001:db8::7]:8700"


def test_the_command_tells_an_address_that_others_can_use(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    made, key = certificate(tmp_path, "farm.example", "10.1.2.3")
    serve = ("farm", "serve", "--store", tmp_path / "store", "--until-done")
    (serving,) = of(told(capsys, *serve, "--host", "0.0.0.0", "--certificate", made, "--key", key), "serving")
    assert serving["url"].startswith("https://farm.example:") and not serving["alone"]
    assert serving["urls"][1].startswith("https://10.1.2.3:")
    (serving,) = of(told(capsys, *serve), "serving")
    assert serving["url"].startswith("http://127.0.0.1:") and serving["alone"]


def test_a_person_is_told_when_no_other_machine_can_reach_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from studio.cli import main

    assert main(["farm", "serve", "--store", str(tmp_path / "store"), "--until-done"]) == 0
    out, err = capsys.readouterr()
    assert "No other machine can reach it" in err and out.startswith("http://127.0.0.1:")


# --- whom its nodes work for -----------------------------------------------------------------------------------------
def test_nodes_that_it_starts_work_for_artists_of_a_list_alone(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders: list[WorkOrder] = []

    def start(order: WorkOrder) -> subprocess.Popen[bytes]:
        orders.append(order)
        script = [sys.executable, "-I", "-S", "-c", "import sys; sys.stdin.read()"]
        return subprocess.Popen(script, stdin=subprocess.PIPE)

    monkeypatch.setattr(local, "start_node", start)
    key, artists = Key.made(), tmp_path / "studio.json"
    trust(key.public, "Ada", file=artists)
    serve = ("farm", "serve", "--store", tmp_path / "store", "--device", "cpu", "--until-done")
    told(capsys, *serve, "--nodes", 2, "--artists", artists)
    assert [list(order.artists.members) for order in orders if order.artists is not None] == [[key.public]] * 2
    told(capsys, *serve, "--nodes", 1)
    assert orders[-1].artists is None
    assert "add --nodes" in refused(capsys, *serve, "--artists", artists, code=2)
    artists.write_text(json.dumps({}))
    assert "there is no artist" in refused(capsys, *serve, "--nodes", 1, "--artists", artists, code=2)
    assert len(orders) == 3


# --- what it forgets -------------------------------------------------------------------------------------------------
def test_jobs_that_were_removed_from_the_store_are_forgotten_once_they_are_over(tmp_path: Path, store: Store) -> None:
    done, open_ = job_in(store, tmp_path), job_in(store, tmp_path, frames=(7.0,))
    deliver_all(store, done, tmp_path)
    service, known, console = Service(store), dict[str, str](), Console(json=True)
    farm_nodes._take(service, console, known)
    assert known == {done.spec.id: "done", open_.spec.id: "waiting"}
    store.delete(*(key for key, _ in store.list("jobs")))
    store.delete(mark := f"generations/{service.generation}")
    farm_nodes._take(service, console, known)
    assert len(known) == 2, "the disk of the store is gone, and not the jobs"
    store.put(mark, b"back again")
    farm_nodes._take(service, console, known)
    assert known == {open_.spec.id: "waiting"}, "nobody has said that it is not wanted any more"
    assert service.job(done.spec.id) is None and service.job(open_.spec.id) is not None


def test_a_job_that_was_refused_and_removed_is_asked_for_no_more(tmp_path: Path, store: Store) -> None:
    def refuse(*asked: object) -> None:
        raise UsageError("it has no cap")

    job = job_in(store, tmp_path)
    service, known, console = Service(store, admit=refuse), dict[str, str](), Console(json=True)
    farm_nodes._take(service, console, known)
    assert list(service._refused) == [job.spec.id]
    store.delete(*(key for key, _ in store.list("jobs")))
    farm_nodes._take(service, console, known)
    assert known == service._refused == {}, "nor are its orders looked for"
