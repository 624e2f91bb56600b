"""The ledger on paper: exports are whole and can be checked without us, invoices add up."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import msgspec
import pytest

from studio.errors import CannotWrite, UsageError
from studio.farm.money.ledger import Entry, hash_of
from studio.farm.money.statements import export_csv, export_json, invoice, invoice_html, invoice_text
from tests.farm.test_settlement import EUR, Farm, render_all


@pytest.fixture
def farm(tmp_path: Path):
    made = Farm(tmp_path / "l.sqlite")
    made.settlement.top_up("ann", 200 * EUR, key="=HYPERLINK(1)")
    made.join()
    made.submit()
    lease = made.farm.ask("n")
    assert lease is not None
    made.now += 3
    made.farm.fail(lease.attempt, 12, "device lost <b>")
    render_all(made)
    yield made
    made.ledger.close()


def test_an_export_holds_the_chain_and_it_can_be_computed_anew(farm: Farm, tmp_path: Path):
    export_json(farm.ledger, tmp_path / "l.json")
    whole = json.loads((tmp_path / "l.json").read_text())
    before = ""
    for raw in whole["entries"]:
        entry = msgspec.convert(raw, Entry)
        assert entry.before == before
        assert hash_of(entry) == entry.hash
        before = entry.hash
    assert before == whole["head"] == farm.ledger.head()
    assert sum(b["amount"] for b in whole["balances"]) == 0


def test_a_table_holds_every_posting_and_no_formula(farm: Farm, tmp_path: Path):
    export_csv(farm.ledger, tmp_path / "l.csv")
    with (tmp_path / "l.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(len(e.postings) for e in farm.ledger.entries())
    assert sum(int(row["amount"]) for row in rows) == 0
    assert not any(value.startswith("=") for row in rows for value in row.values())


def test_an_invoice_is_what_was_billed_less_what_was_given_back(farm: Farm):
    made = invoice(farm.ledger, "j", issuer="Farm & Co")
    assert made.total == 40 * EUR == farm.settlement.billed("j")
    assert made.customer == "ann"
    assert [line.amount for line in made.lines if "not charged" in line.what] == [0]
    unit = next(e for e in farm.ledger.entries(kind="capture"))
    farm.settlement.reject("j", [unit.unit], reason="noisy")
    again = invoice(farm.ledger, "j", issuer="Farm & Co")
    assert again.total == 40 * EUR + unit.amount("customer_held") == farm.settlement.billed("j")
    assert "given back" in invoice_text(again)


def test_an_invoice_reads_as_text_and_as_a_page_without_markup_of_others(farm: Farm):
    made = invoice(farm.ledger, "j", issuer="<script>Farm & Co")
    assert "40.00 EUR" in invoice_text(made)
    page = invoice_html(made)
    assert "<script>" not in page
    assert "40.00 EUR" in page


def test_nothing_billed_is_no_invoice(farm: Farm):
    with pytest.raises(UsageError, match="nothing to invoice"):
        invoice(farm.ledger, "other", issuer="x")


def test_what_cannot_be_written_is_a_sentence(farm: Farm, tmp_path: Path):
    with pytest.raises(CannotWrite, match="cannot be written"):
        export_json(farm.ledger, tmp_path / "absent" / "l.json")
