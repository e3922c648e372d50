"""How a program without ttl uses an exported file: the steps from an image file to a decision."""
