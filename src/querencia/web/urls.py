from django.urls import include, path

from querencia.web import accounts

urlpatterns = [
    path("accounts/login/", accounts.LoginView.as_view(), name="account_login"),
    path("accounts/", include("allauth.urls")),
    path("", include("querencia.web.cockpit.urls")),
]
