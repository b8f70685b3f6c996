from django.urls import include, path, re_path

from querencia.api import intake
from querencia.api.rest import openapi, reference
from querencia.api.rest.api import patterns
from querencia.api.rest.door import door, nothing_there

app_name = "api"
DOORS = "identify|track|page|screen|group|alias|batch|import"

urlpatterns = [
    path("api/docs", reference.page, name="reference"),
    path("api/v1/openapi.json", door(openapi.serve), name="openapi"),
    path("api/v1", door(nothing_there)),
    path("api/v1/", include(patterns())),
    re_path(rf"^v1/(?P<door>{DOORS})/?$", intake.receive, name="door"),
    # As pages send them, a letter each; without preflight where they say that it is plain text.
    path("v1/i", intake.receive, {"door": "identify"}),
    path("v1/t", intake.receive, {"door": "track"}),
    path("v1/p", intake.receive, {"door": "page"}),
    path("v1/s", intake.receive, {"door": "screen"}),
    path("v1/g", intake.receive, {"door": "group"}),
    path("v1/a", intake.receive, {"door": "alias"}),
    path("v1/b", intake.receive, {"door": "batch"}),
    path("v1/projects/<str:key>/settings", intake.project, name="project"),
]
