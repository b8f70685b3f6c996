"""Settings. Everything that differs between installations comes from the environment or from the home folder."""

import ipaddress
import os
from pathlib import Path

from django.templatetags.static import static
from django.utils.csp import CSP
from django.utils.translation import gettext_lazy as _

from querencia.common import environment
from querencia.common import home as installation

SOURCE = Path(__file__).resolve().parent.parent
HOME = installation.home()
SECRET_KEY = os.environ.get("QUERENCIA_SECRET_KEY") or installation.secret_key(HOME)
ERASURE_KEY = os.environ.get("QUERENCIA_ERASURE_KEY") or installation.erasure_key(HOME)

# -- where it is reached -----------------------------------------------------------------------------------------------


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_address = environment.public_address("http://127.0.0.1:8000")
PUBLIC_URL = _address.geturl()
ALLOWED_HOSTS = list({_address.hostname or "", "127.0.0.1", "localhost", "[::1]"})
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if _address.scheme == "https" else []

# Browsers send no Secure cookie over plain HTTP, so only an installation that is reached by HTTPS can demand it;
# `querencia doctor` says so when a public address is served without.
HTTPS = _address.scheme == "https"
REACHED_ONLY_LOCALLY = _is_loopback(_address.hostname or "")
# Pages of faults tell more than strangers may read, whoever asked for tracebacks.
DEBUG = os.environ.get("QUERENCIA_DEBUG") == "1" and REACHED_ONLY_LOCALLY
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "querencia_session"
CSRF_COOKIE_NAME = "querencia_csrf"
SECURE_SSL_REDIRECT = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
# Whether its subdomains are served by HTTPS too, and the domain is to be preloaded, only who owns the domain knows.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
if not os.environ.get("EMAIL_HOST"):
    SILENCED_SYSTEM_CHECKS.append("mail.E001")  # an installation may do without mail; then it is printed
# Who asks is told by as many entries at the end of X-Forwarded-For as there are proxies of ours: what stands before
# them, anybody may have written. HTTPS ends at a proxy, so there is one at least.
PROXIES = environment.number("QUERENCIA_PROXIES", 1 if HTTPS else 0)
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
SECURE_CSP = {
    "default-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
}

# -- the house ---------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "querencia.web",
    "querencia.api",
    "querencia.flows",
    "querencia.measures",
    "querencia.loyalty",
    "querencia.webhooks",
    "querencia.customers",
    "querencia.business",
    "unfold.apps.BasicAppConfig",
    "querencia.config.apps.BackOfficeConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "axes",
    "huey.contrib.djhuey",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "querencia.web.middleware.language",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "querencia.web.middleware.first_visit",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "querencia.config.urls"
WSGI_APPLICATION = "querencia.config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "querencia.web.context.house",
            ],
        },
    },
]

# -- database ----------------------------------------------------------------------------------------------------------

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SQLITE_OPTIONS = {
    # A writer takes its lock at once instead of failing half-way through a transaction.
    "transaction_mode": "IMMEDIATE",
    "timeout": 30,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-65536; "
    "PRAGMA temp_store=MEMORY; PRAGMA secure_delete=FAST; PRAGMA journal_size_limit=67108864;",
}
# Requests that each process answers at once. Those that wait at the same moment are written together.
THREADS = 16
DATABASES = {"default": environment.database(HOME)}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = SQLITE_OPTIONS
    # Tests that start a second process or a server need a file that both can open.
    DATABASES["default"]["TEST"] = {"NAME": str(HOME / "test.sqlite3")}
else:
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 10,
        # Statements in plain SQL are prepared, and planned once a connection (see common/database.py).
        "prepare_threshold": 2,
        "options": "-c plan_cache_mode=force_generic_plan",
        **DATABASES["default"].get("OPTIONS", {}),
        # One for each thread: who waits to be written together with others may hold one.
        "pool": {"min_size": 1, "max_size": THREADS},
    }

# Opening a file of SQLite anew for each page would write its log back each time.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"].setdefault("CONN_MAX_AGE", 0)
    DATABASES["default"]["CONN_MAX_AGE"] = DATABASES["default"]["CONN_MAX_AGE"] or 60

# Counts of attempts, which every process has to know of.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "querencia_cache",
        # Beyond it those that ran out go, and then others. The worker takes away every hour what ran out: nobody's
        # count of wrong passwords is pushed out by visitors.
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    }
}

# -- background work ---------------------------------------------------------------------------------------------------

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    HUEY = {
        "name": "querencia",
        "huey_class": "huey.SqliteHuey",
        "filename": str(HOME / "queue.sqlite3"),
        "immediate": False,
        "fsync": True,
        "consumer": {"workers": 4, "worker_type": "thread", "initial_delay": 0.2, "max_delay": 2.0},
    }
else:
    HUEY = {
        "name": "querencia",
        "huey_class": "huey.PostgresHuey",
        "dsn": os.environ["DATABASE_URL"],
        # A migration does: where processes that start together all create them, PostgreSQL refuses all but one.
        "create_tables": False,
        "immediate": False,
        "consumer": {"workers": 4, "worker_type": "thread", "initial_delay": 0.2, "max_delay": 2.0},
    }

# -- people who work here ----------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "business.Staff"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
    "querencia.web.access.Rights",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "CommonPasswordValidator", "NumericPasswordValidator")
] + [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    }
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "querencia.web.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # nobody may have this house write to whom they please
# Of one account from one address axes counts further down. These stop who guesses from many addresses, tries many
# accounts from one, or knows the password and guesses the code of the second step.
ACCOUNT_RATE_LIMITS = {"login_failed": "30/10m/ip,12/10m/key"}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Querencia"
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = 0.25  # hours
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_FORM_FIELD = "login"
AXES_USERNAME_CALLABLE = "querencia.web.accounts.guessed_name"
AXES_CLIENT_IP_CALLABLE = "querencia.web.accounts.client_address"
AXES_LOCKOUT_TEMPLATE = "account/locked.html"
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

if os.environ.get("EMAIL_HOST"):
    MAILERS = {
        "default": {
            "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "OPTIONS": {
                "host": os.environ["EMAIL_HOST"],
                "port": environment.number("EMAIL_PORT", 587),
                "username": os.environ.get("EMAIL_HOST_USER", ""),
                "password": os.environ.get("EMAIL_HOST_PASSWORD", ""),
                "use_tls": os.environ.get("EMAIL_USE_TLS", "1") == "1",
            },
        }
    }
else:
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.console.EmailBackend"}}
DEFAULT_FROM_EMAIL = os.environ.get("EMAIL_FROM", f"querencia@{_address.hostname}")

# -- language, time, files ---------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("es", "Español"), ("pt", "Português")]
LOCALE_PATHS = [SOURCE / "locale"]
LANGUAGE_COOKIE_NAME = "querencia_language"
USE_TZ = True
TIME_ZONE = "UTC"  # of the server; the business has its own, kept in the database

STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
MEDIA_ROOT = HOME / "files"
FILE_UPLOAD_MAX_MEMORY_SIZE = 1 << 20
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 << 20
# How many events a second one key may send to each process that serves; 0 sets no limit.
INTAKE_EVENTS_PER_SECOND = environment.number("QUERENCIA_INTAKE_RATE", 20_000)
# How many requests a minute one key may make of each process that serves; 0 sets no limit.
API_REQUESTS_PER_MINUTE = environment.number("QUERENCIA_API_RATE", 6_000)
IMPORTS_FOLDER = HOME / "imports"
COLUMNS_FOLDER = HOME / "columns"
# What the nightly analysis may take of the machine; beyond the memory it goes on on disk.
ANALYTICS = {
    "engine": environment.engine(),
    "memory_limit": os.environ.get("QUERENCIA_MEMORY", "1GB"),
    "threads": environment.number("QUERENCIA_THREADS", os.process_cpu_count() or 1),
}
# Webhooks go to the open internet alone. For development and tests, this machine may be called too.
# With all three a member can keep their card in Apple Wallet: files in PEM, or DER as Apple hands certificates out.
WALLET = {
    "certificate": os.environ.get("QUERENCIA_WALLET_CERTIFICATE", ""),
    "key": os.environ.get("QUERENCIA_WALLET_KEY", ""),
    "intermediate": os.environ.get("QUERENCIA_WALLET_INTERMEDIATE", ""),
}
WEBHOOKS_MAY_REACH_LOOPBACK = os.environ.get("QUERENCIA_WEBHOOKS_LOOPBACK") == "1"
TEST_RUNNER = "django.test.runner.DiscoverRunner"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": os.environ.get("QUERENCIA_LOG", "WARNING")},
    "loggers": {"axes": {"level": "ERROR"}},
}

UNFOLD = {
    "SITE_TITLE": "Querencia",
    "SITE_HEADER": "Querencia",
    "SITE_SUBHEADER": _("Back office"),
    "SITE_URL": "/",
    "SITE_SYMBOL": "home",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("web/icon.svg")}],
    "SHOW_HISTORY": True,
    "COLORS": {
        "primary": {
            "50": "#fbf3ee", "100": "#f6e6dc", "200": "#ecc9b3", "300": "#e0a684", "400": "#e58b5f", "500": "#c9683b",
            "600": "#a3461f", "700": "#8a3a19", "800": "#6f3016", "900": "#5a2814", "950": "#331409",
        },
    },
}  # fmt: skip
