from django.urls import path

from loginwatch.demo import views

urlpatterns = [
    path("", views.mail_list, name="demo-mail"),
    path("<str:key>/", views.mail_page, name="demo-mail-message"),
    path("<str:key>/html/", views.mail_html, name="demo-mail-html"),
]
