"""All that knows a graph: tracing, blocks, truncation points, and the surgery that makes networks of its own."""
