"""The keeper: cranks what anyone may crank, with a key that no other process reads.

Nothing here may be imported by the API or by Dagster's code: a test holds that.
"""
