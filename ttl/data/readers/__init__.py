"""What people give, one way a file: a folder, a manifest, an .npz, a built-in name -> records."""
