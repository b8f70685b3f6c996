from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "querencia.webhooks"
    label = "webhooks"
