"""Celery's results: the backend that stores them, and how a run's are read back."""
