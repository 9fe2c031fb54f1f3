"""What a chain says about a range of heights: blocks and raw events, as its nodes gave them."""
