"""Seeded fault simulation: one number makes a history on both chains, and everything that goes
wrong between them and `chainfold index`; in the end every table equals what the chains say."""
