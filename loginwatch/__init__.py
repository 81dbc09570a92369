"""The site: settings, the Celery app, urls, checks, health. It knows every other room.

Nothing is imported here: `make run` decides the settings first, and this package is above it.
"""
