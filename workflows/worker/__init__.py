"""What a worker does otherwise than Celery's own."""
