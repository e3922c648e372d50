"""What a model costs: its parameters and MACs, counted; its latency, measured."""
