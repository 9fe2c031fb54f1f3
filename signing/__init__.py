"""Keys that sign, in files that their owner names on a command line.

Only `pipelines.keeper` and `deploy` import this: a test holds the API, the indexer and Dagster's
code away from it.
"""
