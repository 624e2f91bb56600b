"""`studio farm ledger`: what came in, was billed and was paid counts once, and one sentence for what cannot be."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from studio.cli import main
from studio.farm.money.ledger import PLATFORM, Ledger, Posting

EUR = 1_000_000


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("MYRIAD_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def told(capsys, *arguments, code=0) -> list[dict]:
    """The events of a command on the books of the user's house."""
    assert main(["farm", "ledger", *(str(a) for a in arguments), "--json"]) == code
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def refused(capsys, *arguments, code: int = 2) -> str:
    """The one sentence of a command that cannot be."""
    assert main(["farm", "ledger", *(str(a) for a in arguments)]) == code
    (sentence,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("studio: ")]
    return sentence


def available(data: Path, owner: str = "customer") -> int:
    with Ledger(data / "farm" / "house" / "ledger.sqlite") as books:
        return books.balance(owner, "customer_available", currency="EUR")


@pytest.fixture
def billed(capsys, data) -> Path:
    """Books of a job of two units, by nodes of which one is called like a formula."""
    told(capsys, "topup", "10", "--key", "bank-1", "--currency", "EUR")
    file = data / "farm" / "house" / "ledger.sqlite"

    def post(kind: str, key: str, *postings: tuple[str, str, int, str], unit: str = "") -> None:
        made = [Posting(owner=o, account=a, amount=n, currency="EUR", job=j) for o, a, n, j in postings]  # type: ignore
        books.post(kind, key, made, job="hall-1", unit=unit)  # type: ignore[arg-type]

    with Ledger(file) as books:
        post(
            "hold",
            "hold/hall-1",
            ("customer", "customer_available", -4 * EUR, ""),
            ("customer", "customer_held", 4 * EUR, "hall-1"),
        )
        for unit, node in (("f1/0-8", "m/0"), ("f1/8-16", "=1+1")):
            held = ("customer", "customer_held", -EUR, "hall-1")
            post(
                "capture",
                unit,
                held,
                (node, "node_pending", EUR * 9 // 10, ""),
                (PLATFORM, "platform_fee", EUR // 10, ""),
                unit=unit,
            )
    return file


def test_money_that_came_in_counts_once_under_what_it_came_with(capsys, data):
    assert "no books" in refused(capsys)
    assert "say which currency" in refused(capsys, "topup", "5", "--key", "bank-1")
    assert "three capital letters" in refused(capsys, "topup", "5", "--key", "bank-1", "--currency", "euro")
    for _ in range(2):
        told(capsys, "topup", "5.25", "--key", "bank-1", "--currency", "EUR")
    told(capsys, "topup", "1", "--key", "bank-2", "--owner", "ann")
    assert available(data) == 5_250_000 and available(data, "ann") == EUR
    assert "booked before" in refused(capsys, "topup", "6", "--key", "bank-1")
    assert "booked before" in refused(capsys, "topup", "5.25", "--key", "bank-1", "--owner", "ann")
    for amount in ("0", "-3", "nan", "much", "1e30"):
        assert refused(capsys, "topup", "--key", "bank-3", "--", amount)
    assert available(data) == 5_250_000
    assert told(capsys, "--verify")[-1]["entries"] == 2


def test_payments_are_drawn_up_as_a_table_and_booked_when_it_says_that_they_were_paid(capsys, billed, tmp_path):
    table = tmp_path / "pay.csv"
    assert told(capsys, "payout") == []
    assert [e["entries"] for e in told(capsys, "approve", "hall-1") if "entries" in e] == [2]
    told(capsys, "payout", "-o", table)
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert sorted((r["node"], r["amount"], r["currency"]) for r in rows) == [
        ("'=1+1", "0.90", "EUR"),
        ("m/0", "0.90", "EUR"),
    ]
    assert "no payment" in refused(capsys, "payout", "--paid", table), "nobody has paid anything yet"
    with Ledger(billed) as books:
        assert books.balance("m/0", "node_payable", currency="EUR") == 900_000
    text = table.read_text().replace("m/0,0.90,EUR,", "m/0,0.90,EUR,ref-77")
    table.write_text(text)
    for paid in (["m/0"], []):  # the second time it is there already
        assert [e["node"] for e in told(capsys, "payout", "--paid", table)] == paid
    with Ledger(billed) as books:
        assert books.balance("m/0", "node_payable", currency="EUR") == 0
        assert books.unpaid() == [] and books.verify() > 0
    told(capsys, "payout", "-o", table)
    text = table.read_text().replace("EUR,\n", "EUR,ref-78\n")
    assert [r["node"] for r in csv.DictReader(io.StringIO(table.read_text()))] == ["'=1+1"], (
        "no table takes a name for a formula"
    )
    table.write_text(text)
    assert [e["node"] for e in told(capsys, "payout", "--paid", table)] == ["=1+1"]


def test_what_was_paid_though_it_was_given_back_meanwhile_the_farm_bears(capsys, billed, tmp_path):
    table = tmp_path / "pay.csv"
    told(capsys, "approve", "hall-1")
    told(capsys, "payout", "-o", table)
    told(capsys, "reject", "hall-1", "f1/0-8", "--reason", "black")
    table.write_text(table.read_text().replace("m/0,0.90,EUR,", "m/0,0.90,EUR,ref-77"))
    told(capsys, "payout", "--paid", table)
    with Ledger(billed) as books:
        assert books.balance("m/0", "node_payable", currency="EUR") == 0
        assert books.balance(PLATFORM, "platform_cost", currency="EUR") == -900_000
        assert books.verify() > 0


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("0.90", "9.00e1", "is no amount"),
        ("0.90", "-0.90", "is no amount"),
        ("/EUR/1", "/EUR/7", "draw up the payments anew"),
        ("payout/", "hold/", "no payment of these books"),
        ("key,", "kez,", "has not the columns"),
    ],
)
def test_a_table_that_was_changed_books_nothing(capsys, billed, tmp_path, before, after, why):
    table = tmp_path / "pay.csv"
    told(capsys, "approve", "hall-1")
    told(capsys, "payout", "-o", table)
    table.write_text(table.read_text().replace("EUR,\n", "EUR,ref-77\n").replace(before, after))
    with Ledger(billed) as books:
        head = books.head()
    assert main(["farm", "ledger", "payout", "--paid", str(table)]) in (2, 10)
    assert why in capsys.readouterr().err
    with Ledger(billed) as books:
        assert books.head() == head


def test_units_are_given_back_by_name_or_all_of_them_once(capsys, billed, data):
    assert "or --all" in refused(capsys, "reject", "hall-1", "--reason", "noise")
    assert "was not billed a unit" in refused(capsys, "reject", "hall-1", "f9/0-1", "--reason", "noise")
    assert "was not billed" in refused(capsys, "reject", "hall", "--all", "--reason", "noise")
    assert "was not billed" in refused(capsys, "approve", "hall")
    assert told(capsys, "reject", "hall-1", "f1/0-8", "--reason", "noise")[-1]["amount"] == EUR
    assert told(capsys, "reject", "hall-1", "--all", "--reason", "noise")[-1]["amount"] == EUR
    assert told(capsys, "reject", "hall-1", "--all", "--reason", "noise")[-1]["amount"] == 0


def test_an_invoice_and_the_whole_of_the_books_go_on_paper(capsys, billed, tmp_path):
    made = told(capsys, "invoice", "hall-1", "--issuer", "Studio X")[-1]
    assert made["total"] == 2 * EUR and made["customer"] == "customer"
    main(["farm", "ledger", "invoice", "hall-1", "-o", str(tmp_path / "i.html")])
    assert "2.00 EUR" in (tmp_path / "i.html").read_text()
    assert ".txt or a .html" in refused(capsys, "invoice", "hall-1", "-o", tmp_path / "i.pdf")
    for name, *more in (("b.csv",), ("b.json",), ("b.dat", "--csv")):
        assert main(["farm", "ledger", "export", str(tmp_path / name), *more]) == 0
    assert (tmp_path / "b.csv").read_text() == (tmp_path / "b.dat").read_text()
    assert "'=1+1" in (tmp_path / "b.csv").read_text()
    assert len(json.loads((tmp_path / "b.json").read_text())["entries"]) == 4
    assert "exported as" in refused(capsys, "export", tmp_path / "b.dat")
