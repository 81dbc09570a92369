"""A run as people see it: on its page, in a terminal, as JSON."""
