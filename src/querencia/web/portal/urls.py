from django.urls import path

from querencia.web.portal import preferences

urlpatterns = [
    path("p/<str:token>/", preferences.preferences, name="preferences"),
    path("p/<str:token>/<str:purpose>/", preferences.unsubscribe, name="unsubscribe"),
]
