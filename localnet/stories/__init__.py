"""What happens on the local chains, program by program; a story knows no chain."""
