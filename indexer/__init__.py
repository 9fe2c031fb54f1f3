"""From chain to tables: fetch, decode, store and fold the events of programs on Solana and EVM."""
