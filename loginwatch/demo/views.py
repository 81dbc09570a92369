"""The demo's mailbox in the browser: there is no other way to read the mail that the demo sends."""

from __future__ import annotations

from pathlib import Path

from csp.constants import NONE, SELF, UNSAFE_INLINE
from csp.decorators import csp_replace
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from loginwatch.demo.mailbox import Mail, Mailbox, NoSuchMail

MOST = 100
BACKEND = "loginwatch.demo.maildir.EmailBackend"
# A mail's styles are inline. Nothing else of it is obeyed, wherever it is opened, and nothing of the site's own policy.
MAIL_POLICY = dict.fromkeys(settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]) | {
    "default-src": [NONE],
    "style-src": [UNSAFE_INLINE],
    "img-src": ["data:"],
    "frame-ancestors": [SELF],
    "base-uri": [NONE],
    "form-action": [NONE],
    "sandbox": ["allow-popups", "allow-popups-to-escape-sandbox"],
}


@require_safe
@never_cache
def mail_list(request: HttpRequest) -> HttpResponse:
    mailbox = _mailbox()
    context = {"mails": mailbox.newest(MOST) if mailbox else [], "elsewhere": mailbox is None, "most": MOST}
    return render(request, "demo/mail_list.html", context)


@require_safe
@never_cache
def mail_page(request: HttpRequest, key: str) -> HttpResponse:
    return render(request, "demo/mail.html", {"mail": _mail_or_404(key)})


@require_safe
@never_cache
@xframe_options_sameorigin
@csp_replace(MAIL_POLICY)  # type: ignore[arg-type]  # it is typed for views without arguments
def mail_html(request: HttpRequest, key: str) -> HttpResponse:
    """The HTML part alone, for the frame in the mail's page. Its links open outside of the frame."""
    html = _mail_or_404(key).html
    if not html:
        raise Http404
    return HttpResponse(html.replace("<head>", '<head><base target="_blank">', 1))


def _mailbox() -> Mailbox | None:
    """None where the user gave an EMAIL_URL, and the mail goes there."""
    return Mailbox(Path(settings.EMAIL_FILE_PATH)) if settings.EMAIL_BACKEND == BACKEND else None


def _mail_or_404(key: str) -> Mail:
    mailbox = _mailbox()
    if mailbox is None:
        raise Http404
    try:
        return mailbox.get(key)
    except NoSuchMail:
        raise Http404 from None
