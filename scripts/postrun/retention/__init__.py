"""What may be archived of closed runs, and how it is moved away and brought back."""
