"""Programs that are not ours, indexed: each folder has a run.py."""
