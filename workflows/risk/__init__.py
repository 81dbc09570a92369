"""Asking the risk service, and not asking it while it does not answer."""
