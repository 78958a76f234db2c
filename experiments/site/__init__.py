"""A page that people can look at, of what exists: README, docstrings, captions, report and claims; and the explorer."""
