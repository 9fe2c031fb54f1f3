"""What happens, as it happens: the indexer's changes, read once and told to every listener."""
