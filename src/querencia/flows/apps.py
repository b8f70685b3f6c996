from django.apps import AppConfig


class FlowsConfig(AppConfig):
    name = "querencia.flows"
    label = "flows"
