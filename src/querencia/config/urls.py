from django.urls import include, path

from querencia.web.backoffice import site

urlpatterns = [
    path("back-office/", site.urls),
    path("", include("querencia.web.urls")),
]
