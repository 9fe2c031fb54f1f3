"""What tests share: real nodes and ways to look at real tables."""
