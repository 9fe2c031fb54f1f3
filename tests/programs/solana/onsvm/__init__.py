"""LiteSVM with the committed programs, driven through their interface files."""
