"""The tables of the state, and which fields of a stored type can be asked for."""

TABLES = """
CREATE TABLE IF NOT EXISTS objects (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  account TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL,
  created INTEGER, owner TEXT, customer TEXT, label TEXT, status TEXT, due INTEGER, secret TEXT,
  UNIQUE (account, kind, id));
CREATE INDEX IF NOT EXISTS by_kind ON objects (account, kind);
CREATE INDEX IF NOT EXISTS by_owner ON objects (owner, kind) WHERE owner IS NOT NULL;
CREATE INDEX IF NOT EXISTS by_customer ON objects (customer, kind) WHERE customer IS NOT NULL;
CREATE INDEX IF NOT EXISTS by_label ON objects (account, kind, label) WHERE label IS NOT NULL;
CREATE INDEX IF NOT EXISTS by_secret ON objects (secret) WHERE secret IS NOT NULL;
CREATE TABLE IF NOT EXISTS answers (
  account TEXT NOT NULL, key TEXT NOT NULL, fingerprint BLOB NOT NULL,
  status INTEGER NOT NULL, body BLOB NOT NULL, request_id TEXT NOT NULL, created INTEGER NOT NULL,
  PRIMARY KEY (account, key));
CREATE TABLE IF NOT EXISTS deliveries (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, endpoint TEXT NOT NULL, event_id TEXT NOT NULL,
  payload BLOB NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL DEFAULT 0,
  state TEXT NOT NULL DEFAULT 'pending');
CREATE INDEX IF NOT EXISTS by_state ON deliveries (state, due, sequence);
CREATE TABLE IF NOT EXISTS timers (
  at INTEGER NOT NULL, account TEXT NOT NULL, what TEXT NOT NULL, id TEXT NOT NULL,
  PRIMARY KEY (account, id, what));
CREATE INDEX IF NOT EXISTS by_time ON timers (at);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
# A stored type: which of its fields stand in which column. Only these are filtered on.
_OF_CHARGE = {"charge": "owner", "payment_intent": "label"}
COLUMNS: dict[str, dict[str, str]] = {
    "charge": {"customer": "customer", "payment_intent": "label", "_invoice": "owner"},
    "credit_note": {"customer": "customer", "invoice": "owner", "_token": "secret"},
    "customer": {"email": "label", "_deleted": "status"},
    "dispute": _OF_CHARGE,
    "event": {"type": "label", "_about": "owner"},
    "invoice": {
        "customer": "customer", "number": "label", "status": "status", "due_date": "due",
        "collection_method": "owner", "_token": "secret",
    },
    "invoice_payment": {"invoice": "owner", "status": "status", "_payment_intent": "label"},
    "invoiceitem": {"customer": "customer", "invoice": "owner"},
    "line_item": {"invoice": "owner"},
    "credit_note_line_item": {"_credit_note": "owner"},
    "customer_balance_transaction": {"customer": "customer"},
    "price": {"product": "owner", "lookup_key": "label"},
    "refund": _OF_CHARGE,
    "tax_id": {"customer": "customer"},
}  # fmt: skip
# Types that something is derived from, and the field that holds its key (the account if none).
DERIVED_FROM = {
    "customer": "id",
    "line_item": "invoice",
    "tax_id": "customer",
    "webhook_endpoint": "",
}
NAMES = ("owner", "customer", "label", "status", "due", "secret")
PUT = (
    f"INSERT INTO objects (account, kind, id, body, created, {', '.join(NAMES)}) "  # noqa: S608
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (account, kind, id) DO UPDATE SET "
    "body = excluded.body, " + ", ".join(f"{name} = excluded.{name}" for name in NAMES)
)
