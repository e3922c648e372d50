"""Names of metrics, units and counts: what terminal, page and card say alike."""
