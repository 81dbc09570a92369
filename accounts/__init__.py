"""People, their devices and sign-ins, and what they are told. It knows neither Celery nor the workflows."""
