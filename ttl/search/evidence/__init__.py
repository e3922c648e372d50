"""What is asked of all candidates at once, and what comes of it: a `Curve`.

Evidence that only looks at features is produced here; what trains or times is handed in, as `evaluate` is. To add one:
a file that makes a `Curve`, and a row where a run says how its kinds of evidence are produced.
"""
