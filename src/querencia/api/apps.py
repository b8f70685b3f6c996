from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "querencia.api"
    label = "api"
