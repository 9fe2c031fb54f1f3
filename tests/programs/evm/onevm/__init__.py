"""What the tests of the EVM programs share."""
