"""What a run leaves for use: files that passed the gate, and what they cost in time."""
