"""Pictures of test images: what networks draw, and where they look."""
