"""Recording changes of passwords, and what each of them ends: sessions, and trust in devices."""

from __future__ import annotations

from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts import answers, devices, locking, security_log, sign_ins
from accounts.clients import client_ip, client_user_agent
from accounts.models import PasswordChange, SecurityEvent, SignIn, User
from accounts.signals import password_change_recorded

How = PasswordChange.How

# Who does not know the old password gets it changed when the account may be in wrong hands.
ENDS_TRUST = (How.RESET, How.BY_OPERATOR)


@transaction.atomic
def record_change(request: HttpRequest, user: User, how: How) -> PasswordChange:
    """Write the change and, in the same transaction, whatever listens to ``password_change_recorded``.

    The session of ``request`` stays where it is the person's own, but for a reset: that ends it as well.
    """
    sign_ins.follow_session(request)
    own = request.user == user
    stays = own and how != How.RESET
    if how in ENDS_TRUST and not stays:
        devices.untrust_devices(user)
    if not stays or _is_the_owners(request):
        devices.let_disowned_devices_back(user)
    change = PasswordChange.objects.create(
        user=user,
        how=how,
        ip_address=client_ip(request),
        user_agent=client_user_agent(request),
        session_key=(request.session.session_key or "") if stays else "",
    )
    password_change_recorded.send(PasswordChange, change=change)
    return change


def _is_the_owners(request: HttpRequest) -> bool:
    """Whether the session is beyond question: whom the owner has disowned may know the old password, too."""
    sign_in = sign_ins.sign_in_of(request)
    return sign_in is not None and answers.is_beyond_question(devices.recognise_device(sign_in))


def log_change(change: PasswordChange) -> int:
    """Append it to the security log, once however often this is called; returns the event's id."""
    return security_log.record_password_event(change, SecurityEvent.Kind.PASSWORD_CHANGED, {"how": change.how})


def end_other_sessions(change: PasswordChange) -> int:
    """End the sessions that the person had begun by then, but those that stay, and log how many; returns that.

    Who signs in afterwards knows the new password. Another change since then has another session stay, or this one
    under another key: its own workflow ends what it does not keep. Those of sign-ins that were emptied (retention.py)
    have ended with them. Call it inside a transaction.
    """
    later = PasswordChange.objects.filter(user=change.user_id, created_at__gte=change.created_at)
    locking.lock_person(change.user_id)
    begun = SignIn.objects.filter(user=change.user_id, created_at__lte=change.created_at).exclude(session_key="")
    others = begun.exclude(session_key__in=later.values("session_key"))
    alive = Session.objects.filter(pk__in=others.values("session_key"), expire_date__gt=timezone.now())
    ended, _ = alive.delete()
    security_log.record_password_event(change, SecurityEvent.Kind.SESSIONS_ENDED, {"sessions": ended})
    return ended
