from django.urls import path

from accounts import views
from accounts.models import SignIn

app_name = "accounts"
urlpatterns = [
    path("sign-ins/<int:sign_in_id>/answer/", views.answer, name="answer"),
    # In mails (answer_links.py).
    path("answers/<str:token>/mine/", views.answer_by_link, {"said": SignIn.Answer.MINE}, name="answer-mine"),
    path(
        "answers/<str:token>/not-mine/", views.answer_by_link, {"said": SignIn.Answer.NOT_MINE}, name="answer-not-mine"
    ),
]
