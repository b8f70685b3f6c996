"""Settings for commands that only read files: no home folder, no secret, and a database that refuses to be asked."""

import os
from pathlib import Path

from querencia.common import environment

SOURCE = Path(__file__).resolve().parent.parent

INSTALLED_APPS = [
    "querencia.customers",
    "querencia.business",
    "django.contrib.auth",
    "django.contrib.contenttypes",
]
AUTH_USER_MODEL = "business.Staff"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("es", "Español"), ("pt", "Português")]
LOCALE_PATHS = [SOURCE / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"

# What an analysis may take of the machine; beyond the memory it goes on on disk.
ANALYTICS = {
    "memory_limit": os.environ.get("QUERENCIA_MEMORY", "1GB"),
    "threads": environment.number("QUERENCIA_THREADS", os.process_cpu_count() or 1),
}
