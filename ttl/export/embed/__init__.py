"""Files that take decoded images: the training pipeline as part of the graph, and whether it is the same."""
