"""The read-only API: tables the indexer keeps, live changes, and unsigned transactions."""
