"""The site's own settings, in the environment of the tests."""

import tests.environment  # noqa: F401  before the settings read it
from loginwatch.settings import *  # noqa: F403
