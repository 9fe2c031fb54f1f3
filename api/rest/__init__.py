"""Routes under /v1 that answer once: folds, events, status."""
