from django.urls import path

from accounts import device_views
from accounts.answer_views import answer, answer_by_link
from accounts.models import SignIn

Answer = SignIn.Answer

app_name = "accounts"
urlpatterns = [
    path("devices/", device_views.devices, name="devices"),
    path("devices/before/<int:device_id>/", device_views.earlier_devices, name="earlier-devices"),
    path("devices/<int:device_id>/sign-out/", device_views.sign_out, name="sign-out-device"),
    path("devices/<int:device_id>/forget/", device_views.forget, name="forget-device"),
    path("devices/sign-out-others/", device_views.sign_out_others, name="sign-out-others"),
    path("sign-ins/<int:sign_in_id>/answer/", answer, name="answer"),
    # In mails (answer_links.py).
    path("answers/<str:token>/mine/", answer_by_link, {"said": Answer.MINE}, name="answer-mine"),
    path("answers/<str:token>/not-mine/", answer_by_link, {"said": Answer.NOT_MINE}, name="answer-not-mine"),
]
