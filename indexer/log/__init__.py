"""The event log in Postgres: every event once, and a ledger that says which heights are in."""
