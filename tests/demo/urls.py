"""The site's addresses as they are in demo mode."""

from django.urls import include, path

from loginwatch.urls import urlpatterns as site_urls

urlpatterns = [*site_urls, path("demo/mail/", include("loginwatch.demo.urls"))]
