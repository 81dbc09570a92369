from django.urls import path

from workflows import views

app_name = "workflows"
urlpatterns = [
    path("security/", views.security, name="security"),
    path("runs/<uuid:run_id>/", views.run_page, name="run"),
    path("runs/<uuid:run_id>/panel/", views.run_panel, name="run-panel"),
    path("runs/<uuid:run_id>.json", views.run_json, name="run-json"),
]
