"""The ledger's tables, and what their triggers hold to whoever writes, this studio or another hand."""

from __future__ import annotations

VERSION = 1

_TABLES = (
    """CREATE TABLE account (
        id INTEGER PRIMARY KEY, owner TEXT NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('customer_available',
        'customer_held', 'node_pending', 'node_payable', 'platform_fee', 'platform_cost', 'external')),
        job TEXT NOT NULL CHECK ((job != '') = (kind = 'customer_held')), currency TEXT NOT NULL,
        UNIQUE (owner, kind, job, currency)) STRICT""",
    """CREATE TABLE journal (
        number INTEGER PRIMARY KEY REFERENCES seal (number) DEFERRABLE INITIALLY DEFERRED,
        at INTEGER NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('hold', 'capture', 'release', 'approve', 'reject',
        'payout', 'topup', 'adjust')),
        key TEXT NOT NULL UNIQUE CHECK (key != ''), job TEXT NOT NULL, unit TEXT NOT NULL, attempt INTEGER NOT NULL,
        refers INTEGER REFERENCES journal (number), text TEXT NOT NULL) STRICT""",
    """CREATE TABLE posting (
        id INTEGER PRIMARY KEY, journal INTEGER NOT NULL REFERENCES journal (number), place INTEGER NOT NULL,
        account INTEGER NOT NULL REFERENCES account (id), amount INTEGER NOT NULL CHECK (amount != 0),
        balance INTEGER NOT NULL, UNIQUE (journal, place)) STRICT""",
    """CREATE TABLE seal (
        number INTEGER PRIMARY KEY REFERENCES journal (number), before TEXT NOT NULL,
        hash TEXT NOT NULL UNIQUE) STRICT""",
    """CREATE TABLE usage (
        number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, job TEXT NOT NULL, unit TEXT NOT NULL,
        attempt INTEGER NOT NULL, node TEXT NOT NULL, t0 INTEGER NOT NULL, t1 INTEGER NOT NULL,
        core_s INTEGER NOT NULL CHECK (core_s >= 0), device_s INTEGER NOT NULL CHECK (device_s >= 0),
        score_s INTEGER NOT NULL CHECK (score_s >= 0), accepted INTEGER NOT NULL CHECK (accepted IN (0, 1)),
        reason TEXT NOT NULL, before TEXT NOT NULL, hash TEXT NOT NULL) STRICT""",
    """CREATE TABLE paid (
        journal INTEGER PRIMARY KEY REFERENCES journal (number), reference TEXT NOT NULL,
        at INTEGER NOT NULL) STRICT""",
)
_INDICES = (
    "CREATE INDEX posting_of_account ON posting (account, id)",
    "CREATE INDEX journal_of_job ON journal (job, number)",
    "CREATE INDEX journal_of_kind ON journal (kind, number)",
    "CREATE INDEX usage_of_job ON usage (job, number)",
    # what was captured is approved once and given back once
    "CREATE UNIQUE INDEX sealed_once ON journal (refers, kind) WHERE refers IS NOT NULL",
)
_VIEWS = (
    """CREATE VIEW balances AS SELECT a.id, a.owner, a.kind, a.job, a.currency,
        coalesce((SELECT sum(amount) FROM posting p WHERE p.account = a.id), 0) AS balance FROM account a""",
    """CREATE VIEW standing AS SELECT a.id, a.owner, a.kind, a.job, a.currency, coalesce((SELECT balance FROM posting p
        WHERE p.account = a.id ORDER BY p.id DESC LIMIT 1), 0) AS balance FROM account a""",
)
_TRIGGERS = (
    """CREATE TRIGGER journal_approves BEFORE INSERT ON journal WHEN NEW.kind = 'approve'
        AND EXISTS (SELECT 1 FROM journal WHERE refers = NEW.refers AND kind = 'reject')
        BEGIN SELECT RAISE(ABORT, 'what was rejected cannot be approved'); END""",
    """CREATE TRIGGER posting_follows BEFORE INSERT ON posting
        WHEN NEW.balance != NEW.amount + coalesce((SELECT balance FROM posting WHERE account = NEW.account
        ORDER BY id DESC LIMIT 1), 0)
        BEGIN SELECT RAISE(ABORT, 'a balance does not follow from the one before'); END""",
    """CREATE TRIGGER posting_covered BEFORE INSERT ON posting
        WHEN NEW.amount < 0 AND NEW.balance < 0 AND (SELECT kind FROM account WHERE id = NEW.account)
        IN ('customer_available', 'customer_held', 'node_pending', 'node_payable')
        BEGIN SELECT RAISE(ABORT, 'there is not enough money in the account; top it up or raise the cap'); END""",
    """CREATE TRIGGER posting_in_time BEFORE INSERT ON posting
        WHEN EXISTS (SELECT 1 FROM seal WHERE number = NEW.journal)
        BEGIN SELECT RAISE(ABORT, 'the entry is closed'); END""",
    """CREATE TRIGGER seal_balances BEFORE INSERT ON seal WHEN EXISTS (SELECT 1 FROM posting p JOIN account a
        ON a.id = p.account WHERE p.journal = NEW.number GROUP BY a.currency HAVING sum(p.amount) != 0)
        OR NOT EXISTS (SELECT 1 FROM posting WHERE journal = NEW.number)
        BEGIN SELECT RAISE(ABORT, 'the postings of an entry do not add up to 0'); END""",
    """CREATE TRIGGER seal_follows BEFORE INSERT ON seal
        WHEN NEW.before != coalesce((SELECT hash FROM seal ORDER BY number DESC LIMIT 1), '')
        OR NEW.number != 1 + coalesce((SELECT max(number) FROM seal), 0)
        BEGIN SELECT RAISE(ABORT, 'an entry does not follow the one before'); END""",
    *(
        f"CREATE TRIGGER {table}_{verb.lower()} BEFORE {verb} ON {table}"
        f" BEGIN SELECT RAISE(ABORT, 'what the ledger holds is never changed'); END"
        for table in ("account", "journal", "posting", "seal", "usage", "paid")
        for verb in ("UPDATE", "DELETE")
    ),
)

SCHEMA = (*_TABLES, *_INDICES, *_VIEWS, *_TRIGGERS)
