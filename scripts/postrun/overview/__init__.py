"""Where all runs of a workspace stand, and the pages to start from."""
