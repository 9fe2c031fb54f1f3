"""How wallets call the programs: a story's actions as transactions of each chain."""
