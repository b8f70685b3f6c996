"""Somebody of the staff at a page, and what the page says."""

from typing import Any

from django.test import Client

from querencia.business import actions

PASSWORD = "una llave larga y propia"
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


def somebody(role: str, **how: Any) -> Client:
    staff = actions.add_staff(email=f"{role}@example.org", password=PASSWORD, name=role.title(), role=role)
    client = Client(raise_request_exception=False, **how)
    client.force_login(staff, BACKEND)
    return client


def text(answer: Any) -> str:
    return str(answer.content.decode())
