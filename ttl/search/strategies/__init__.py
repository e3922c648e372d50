"""The search strategies, one a file."""
