"""`make run`: everything on one machine, with demo accounts. Nothing here is used outside demo mode."""
