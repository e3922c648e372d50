"""Truncated transfer learning."""
