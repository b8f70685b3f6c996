from django.urls import path, re_path

from querencia.api import intake

app_name = "api"
DOORS = "identify|track|page|screen|group|alias|batch|import"

urlpatterns = [
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
