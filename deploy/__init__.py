"""How the programs get onto a chain: `chainfold deploy`, and the parts that localnet shares.

It reads keys that sign (``deploy.key``, which the keeper takes too), so nothing here may be
imported by the API, the indexer or Dagster's code: a test holds that.
"""
