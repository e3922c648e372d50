"""Options as fields: each carries its help and what it decides; flags, TOML files and the docs are made from it."""
