"""What comes before allauth's own, under the same names."""

from django.urls import path, re_path

from accounts import password_views as views
from accounts.address_views import EmailView
from accounts.sign_up import SignUpView

urlpatterns = [
    path("signup/", SignUpView.as_view(), name="account_signup"),
    path("email/", EmailView.as_view(), name="account_email"),
    path("password/change/", views.PasswordChangeView.as_view(), name="account_change_password"),
    path("password/set/", views.PasswordSetView.as_view(), name="account_set_password"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        views.PasswordResetFromKeyView.as_view(),
        name="account_reset_password_from_key",
    ),
]
