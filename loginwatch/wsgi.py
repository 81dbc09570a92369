"""What gunicorn serves: `gunicorn loginwatch.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loginwatch.settings")

application = get_wsgi_application()
