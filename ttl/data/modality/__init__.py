"""What one input is: how many axes it has, how it is read, warped, and taken apart where it is too large."""
