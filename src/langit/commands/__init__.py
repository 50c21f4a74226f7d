"""Groups of commands that `cli` takes in; each parses, calls and prints."""
