"""The site without `collectstatic`: its pages name their files as they are. No figure is of those files."""

from loginwatch.settings import *  # noqa: F403
from loginwatch.settings import STORAGES

STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
