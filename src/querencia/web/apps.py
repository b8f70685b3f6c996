from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "querencia.web"
    label = "web"
