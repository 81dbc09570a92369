"""`make run`: everything on one machine, with demo accounts. Beside it, only the private copy of `chaos` uses it."""
