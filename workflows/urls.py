from django.urls import path

from workflows import views
from workflows.steering import views as steering_views
from workflows.steering.actions import Action

app_name = "workflows"
urlpatterns = [
    path("security/", views.security, name="security"),
    path("security/before/<int:sign_in_id>/", views.earlier_sign_ins, name="earlier-sign-ins"),
    path("runs/<uuid:run_id>/", views.run_page, name="run"),
    path("runs/<uuid:run_id>/panel/", views.run_panel, name="run-panel"),
    path("runs/<uuid:run_id>.json", views.run_json, name="run-json"),
    path("runs/<uuid:run_id>/resume/", steering_views.steer, {"action": Action.RESUME}, name="resume"),
    path("runs/<uuid:run_id>/cancel/", steering_views.steer, {"action": Action.CANCEL}, name="cancel"),
    path("runs/<uuid:run_id>/again/", steering_views.steer, {"action": Action.RUN_AGAIN}, name="run_again"),
    path("runs/<uuid:run_id>/steps/<slug:step>/retry/", steering_views.steer, {"action": Action.RETRY}, name="retry"),
    path("runs/<uuid:run_id>/steps/<slug:step>/skip/", steering_views.steer, {"action": Action.SKIP}, name="skip"),
]
