"""The lake: the log and the folds as Parquet, with one DuckDB file that joins them for analysts."""
