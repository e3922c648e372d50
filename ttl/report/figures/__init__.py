"""The plots of the page, each with the table of what it shows."""
