"""All settings, from the environment. A wrong value ends the start with one clear line (environment.py)."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, urlsplit

from csp.constants import NONE, SELF
from kombu import Queue

from loginwatch.demo.running import read_own_env_file, running_demo_env_file, var_dir
from loginwatch.environment import Environment, broker_options, read_env_file

BASE_DIR = Path(__file__).resolve().parent.parent

# What the environment sets wins over the file; `make run` leaves a file of its own while it runs, so that a
# worker started beside it joins it without any setting. ENV_FILE names another file and ends that search.
is_env_file_named = "ENV_FILE" in os.environ
read_own_env_file()
VAR_DIR = var_dir()
if not is_env_file_named and (demo_env_file := running_demo_env_file(VAR_DIR)):
    read_env_file(demo_env_file)

env = Environment()

# --- The site ---------------------------------------------------------------------------------------------
DEBUG = env.flag("DEBUG", default=False)
LOGINWATCH_DEMO = env.flag("LOGINWATCH_DEMO", default=False)
HOST = env.text("HOST", "127.0.0.1")
PORT = env.whole("PORT", default=8000, least=1, most=65535)
SECRET_KEY = env.required(
    "SECRET_KEY", "insecure-key-for-debugging-only" if DEBUG else None, "set it to 50 or more random characters"
)
SITE_URL = env.web_url("SITE_URL", f"http://127.0.0.1:{PORT}" if DEBUG else "")
if not SITE_URL and not env.has("SITE_URL"):
    env.required("SITE_URL", None, "set it to the site's address, as in https://example.com")
SITE_HOST = urlsplit(SITE_URL).hostname or ""
SERVED_OVER_HTTPS = SITE_URL.startswith("https://")
ALLOWED_HOSTS = env.names(
    "ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]", SITE_HOST] if DEBUG else [SITE_HOST]
)
TRUSTED_PROXY_COUNT = env.whole("TRUSTED_PROXY_COUNT", default=0, least=0, most=10)

INSTALLED_APPS = [
    "django_celery_results",  # before workflows, which has an admin of its own for it
    "loginwatch",
    "workflows",
    "accounts",
    "allauth",
    "allauth.account",
    "django_htmx",
    "csp",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "loginwatch.middleware.HostPortMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.DeviceCookieMiddleware",
]
ROOT_URLCONF = "loginwatch.urls"
WSGI_APPLICATION = "loginwatch.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "loginwatch.context_processors.site",
            ]
        },
    }
]

# --- Data -------------------------------------------------------------------------------------------------
DATABASES = {"default": env.database("DATABASE_URL", f"sqlite:///{quote(str(VAR_DIR / 'loginwatch.sqlite3'))}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # DEFERRED transactions, SQLite's default, fail with "database is locked" as soon as two workers write.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # Seconds: a server that does not even answer holds nobody for long. The URL's own options win.
    DATABASES["default"]["OPTIONS"] = {"connect_timeout": 5, **DATABASES["default"].get("OPTIONS", {})}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# The limits on signing in live in the cache: in the database they are shared by all web processes and do not
# fail with Redis.
CACHES = {
    "default": {
        "BACKEND": "loginwatch.cache.DatabaseCache",
        "LOCATION": "cache",
    }
}

# --- People -----------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "accounts.hashers.LeanArgon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "workflows:security"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email", "username"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_LOGOUT_REDIRECT_URL = LOGIN_URL
ACCOUNT_SESSION_REMEMBER = True
# Who changes where the notices go types the password again. The old address is told, and asked about what was before
# (accounts/email_changes.py).
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_USERNAME_VALIDATORS = "accounts.usernames.validators"

# --- The browser ------------------------------------------------------------------------------------------
SESSION_ENGINE = "accounts.session_engine"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = DEVICE_COOKIE_SECURE = SERVED_OVER_HTTPS
CSRF_TRUSTED_ORIGINS = [SITE_URL] if SERVED_OVER_HTTPS else []
SECURE_HSTS_SECONDS = 30 * 24 * 3600 if SERVED_OVER_HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY_COUNT else None
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "frame-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
# While developing and in the demo, static files come from where they are written; else from `collectstatic`.
STATIC_FROM_SOURCE = DEBUG or LOGINWATCH_DEMO
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = STATIC_FROM_SOURCE
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if STATIC_FROM_SOURCE
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
LANGUAGE_CODE = "en-gb"
TIME_ZONE = env.time_zone("TIME_ZONE", "UTC")
USE_TZ = True

# --- Mail -------------------------------------------------------------------------------------------------
EMAIL_FILE_PATH = ""  # of maildir:// and filemail://
vars().update(env.email("EMAIL_URL", "smtp://localhost:25"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", f"Loginwatch <no-reply@{SITE_HOST or 'localhost'}>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
OPERATOR_EMAILS = env.addresses("OPERATOR_EMAILS")
OPERATOR_WEBHOOK_URL = env.webhook_url("OPERATOR_WEBHOOK_URL")
OPERATOR_WEBHOOK_SECRET = env.webhook_secret("OPERATOR_WEBHOOK_SECRET", None) if OPERATOR_WEBHOOK_URL else ""

# --- What happens after a sign-in -------------------------------------------------------------------------
GEOIP_DATABASE = env.file("GEOIP_DATABASE")
LOGINWATCH_ENFORCE = env.choice("LOGINWATCH_ENFORCE", default="report", options=("report", "enforce"))
LOGINWATCH_NO_VERDICT = env.choice("LOGINWATCH_NO_VERDICT", default="flag", options=("allow", "flag", "end_session"))
RISK_API_URL = env.web_url("RISK_API_URL", "http://127.0.0.1:8001")
RISK_API_SECRET = env.webhook_secret(
    "RISK_API_SECRET", "whsec_aW5zZWN1cmUtc2VjcmV0LWZvci1kZWJ1Z2dpbmctb25seQ==" if DEBUG else None
)
RISK_API_TIMEOUT = env.seconds("RISK_API_TIMEOUT", default=5.0, least=0.1, most=20.0)
# How often a second a worker may ask it, and for how many seconds a sign-in waits for it.
RISK_API_RATE = env.rate("RISK_API_RATE", 200.0)
RISK_API_BUDGET = env.seconds("RISK_API_BUDGET", default=6 * 3600.0, least=1.0, most=7 * 24 * 3600.0)
# Seconds within which nearly every run has ended; operators are told of those that take longer.
RUN_OBJECTIVE = env.seconds("RUN_OBJECTIVE", default=60.0, least=1.0, most=24 * 3600.0)
# How long what is known of sign-ins is kept; 0 is for ever (accounts/retention.py).
RETENTION_SIGN_INS_DAYS = env.whole("RETENTION_SIGN_INS_DAYS", default=366, least=0, most=36500)
RETENTION_FAILED_SIGN_INS_DAYS = env.whole("RETENTION_FAILED_SIGN_INS_DAYS", default=366, least=0, most=36500)
# Whether a bulk job that destroys something waits for a second person (docs/bulk-jobs.md).
BULK_APPROVAL = env.flag("BULK_APPROVAL", default=False)
REDIS_URL = env.broker_url("REDIS_URL", "redis://127.0.0.1:6379/0")

# --- Celery -----------------------------------------------------------------------------------------------
CELERY_BROKER_URL, BROKER_OPTIONS = broker_options(env.broker_url("CELERY_BROKER_URL", REDIS_URL))
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": 5,
    "socket_timeout": 30,
    # In the order in which the queues are named below, but for those that are paused.
    "queue_order_strategy": "workflows.worker.queue_order:InOrder",
    # Redis need not keep what workers have taken, which is half of what a worker tells it: it would give it back after
    # an hour, and the ledger has done so by then.
    "ack_emulation": False,
    **BROKER_OPTIONS,
}
CELERY_RESULT_BACKEND = "workflows.results.backend.ResultBackend"
# A database that is away is waited for: 11 s on average and 15 s nearly always, which the tasks' time limits allow for.
CELERY_RESULT_BACKEND_ALWAYS_RETRY = True
CELERY_RESULT_BACKEND_MAX_RETRIES = 30
CELERY_RESULT_BACKEND_BASE_SLEEP_BETWEEN_RETRIES_MS = 50
CELERY_RESULT_BACKEND_MAX_SLEEP_BETWEEN_RETRIES_MS = 800
CELERY_RESULT_EXTENDED = True
CELERY_RESULT_EXPIRES = 30 * 24 * 3600
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_TIMEZONE = TIME_ZONE
# In the order in which a worker without -Q looks into them: what keeps the site going, then what people wait for, what
# is nearly done first, and last the bulk. A worker may be given some of them (docs/scale.md).
CELERY_TASK_QUEUES = [Queue(name) for name in ("system", "risk", "mail", "under_way", "sign_in", "bulk")]
CELERY_TASK_DEFAULT_QUEUE = "sign_in"
CELERY_TASK_ROUTES = {
    "workflows.*.notify_user": {"queue": "mail"},
    "workflows.tasks.post_to_risk_api": {"queue": "risk"},
    # What follows a first step, so that in a backlog those who came first have their verdicts first.
    "workflows.*.save_event": {"queue": "under_way"},
    "workflows.*.end_other_sessions": {"queue": "under_way"},
    "workflows.*.post_process": {"queue": "under_way"},
    "workflows.*.on_*_error": {"queue": "system"},
    "workflows.periodic.*": {"queue": "system"},
    "workflows.periodic.deliver_notices": {"queue": "mail"},
    "workflows.follow_ups.follow_up": {"queue": "mail"},
    "workflows.bulk.tasks.sweep": {"queue": "system"},
    "workflows.bulk.tasks.finish": {"queue": "mail"},
    "workflows.bulk.*": {"queue": "bulk"},
    "loginwatch.tasks.*": {"queue": "system"},
    "celery.backend_cleanup": {"queue": "system"},
}
# Limits for a task that sets none of its own: seconds until SoftTimeLimitExceeded, and until its process is killed.
CELERY_TASK_SOFT_TIME_LIMIT = 20
CELERY_TASK_TIME_LIMIT = 30
# Celery's own deletes a day's results at once.
CELERY_TASK_ANNOTATIONS = {
    "celery.backend_cleanup": {"soft_time_limit": 540, "time_limit": 600},
    "workflows.tasks.post_to_risk_api": {"rate_limit": RISK_API_RATE},
}
# Celery's own, but that what is over its rate takes no other's place, and what cannot be read is an alert.
CELERY_WORKER_CONSUMER = "workflows.worker.consumer:Consumer"
# The error callback is called for each member of the group that fails, and for the task behind it; it is idempotent.
CELERY_TASK_ALLOW_ERROR_CB_ON_CHORD_HEADER = True
# A step waits for the database, the broker or an answer about as long as it computes: two processes keep a core busy.
CELERY_WORKER_CONCURRENCY = 2 * (os.cpu_count() or 1)
# What a worker has taken from a queue waits in it for the tasks before it, which may take half a minute each.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# A task that is running when the worker loses its broker finishes; its ledger knows it is done.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "heartbeat": {"task": "loginwatch.tasks.heartbeat", "schedule": 10.0, "options": {"expires": 10}},
    "clear-cache": {"task": "loginwatch.tasks.clear_cache", "schedule": 300.0, "options": {"expires": 300}},
    "recover": {"task": "workflows.periodic.recover", "schedule": 5.0, "options": {"expires": 30}},
    "publish-due-chords": {
        "task": "workflows.periodic.publish_due_chords",
        "schedule": 10.0,
        "options": {"expires": 30},
    },
    "deliver-notices": {"task": "workflows.periodic.deliver_notices", "schedule": 30.0, "options": {"expires": 30}},
    "schedule-follow-ups": {
        "task": "workflows.periodic.schedule_follow_ups",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "tell-operators": {"task": "workflows.periodic.tell_operators", "schedule": 60.0, "options": {"expires": 60}},
    "post-alerts": {"task": "workflows.periodic.post_alerts", "schedule": 60.0, "options": {"expires": 60}},
    "look-for-stuck-runs": {
        "task": "workflows.periodic.look_for_stuck_runs",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "note-workers": {"task": "loginwatch.tasks.note_workers", "schedule": 60.0, "options": {"expires": 60}},
    "sweep-bulk-jobs": {"task": "workflows.bulk.tasks.sweep", "schedule": 5.0, "options": {"expires": 30}},
    "roll-up": {"task": "workflows.periodic.roll_up", "schedule": 60.0, "options": {"expires": 60}},
    "prune": {"task": "workflows.periodic.prune", "schedule": 60.0, "options": {"expires": 60}},
}
# Seconds that handing a run to the broker may take inside a sign-in before it is left to recovery.
PUBLISH_TIMEOUT = 0.1

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {"django": {"handlers": [], "propagate": True}, "httpx": {"level": "WARNING"}},
}

env.refuse_faults()
