"""What a sign-in takes, and its verdict: `make bench-sign-ins`, which writes it into docs/performance.md.

Each part has a private PostgreSQL, a private broker, and the commands of the Procfile with the site's own settings:
latency.py, the way to the verdict at steady rates, the site's memory and its idleness; requests.py, the request with
Loginwatch's producer and without it; outages.py, the request while Redis is away. The people: visitors.py.
"""
