"""From raw events to columns: interfaces (ABI, IDL) say the layout, NumPy views do the work."""
