from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from loginwatch import views

admin.site.site_header = admin.site.site_title = "Loginwatch"
admin.site.index_title = "Operations"

handler500 = views.server_error

urlpatterns = [
    path("", views.home, name="home"),
    path("healthz", views.healthz, name="healthz"),
    # Where password managers look (https://w3c.github.io/webappsec-change-password-url/).
    path(".well-known/change-password", RedirectView.as_view(pattern_name="account_change_password")),
    path("accounts/", include("accounts.allauth_urls")),
    path("accounts/", include("allauth.urls")),
    # The site's page instead of the admin's own: it is limited, and the sign-in's session is followed.
    path("admin/password_change/", RedirectView.as_view(pattern_name="account_change_password")),
    path("admin/", admin.site.urls),
    path("", include("accounts.urls")),
    path("", include("workflows.urls")),
]
if settings.LOGINWATCH_DEMO:
    urlpatterns.append(path("demo/mail/", include("loginwatch.demo.urls")))
