"""How the programs get onto a chain: `chainfold deploy`, and the parts that localnet shares.

It reads keys that sign, so nothing here may be imported by the API, the indexer or pipelines: a
test holds that.
"""
