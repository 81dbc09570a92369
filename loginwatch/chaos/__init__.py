"""`manage.py chaos`: a private copy of everything, sign-ins through it, faults in it, and what was lost or doubled."""
