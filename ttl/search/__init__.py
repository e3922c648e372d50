"""Which truncation point? Strategies that propose points, the choice among them, and the study on disk."""
