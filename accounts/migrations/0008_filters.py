from django.db import migrations, models

STAFF, SUPERUSER, INACTIVE = models.Q(is_staff=True), models.Q(is_superuser=True), models.Q(is_active=False)


def add(model, fields, name, condition=None):
    return migrations.AddIndex(model_name=model, index=models.Index(fields=fields, condition=condition, name=name))


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0007_bulk_jobs'),
    ]

    operations = [
        add('user', ['email'], 'user_of_staff', STAFF),
        add('user', ['email'], 'user_superuser', SUPERUSER),
        add('user', ['email'], 'user_inactive', INACTIVE),
        add('device', ['first_seen_at'], 'device_by_age'),
        add('device', ['first_seen_at'], 'device_untrusted', models.Q(untrusted_at__isnull=False)),
        add('signin', ['device_status', 'id'], 'sign_in_by_rare_status',
            models.Q(device_status__in=['new', 'probably_known'])),
        add('passwordchange', ['created_at'], 'password_change_by_age'),
        add('passwordchange', ['how', 'created_at'], 'password_change_by_how'),
        add('notice', ['created_at'], 'notice_by_age'),
        add('notice', ['state', 'created_at'], 'notice_not_sent',
            models.Q(state__in=['claimed', 'handed_over', 'given_up'])),
        add('securityevent', ['created_at'], 'security_event_by_age'),
        add('securityevent', ['kind', 'created_at'], 'security_event_by_kind', ~models.Q(kind='signed_in')),
        add('verdict', ['decision', 'sign_in', 'level', 'action'], 'verdict_by_rare_decision',
            models.Q(decision__in=['challenge', 'deny'])),
        add('verdict', ['level', 'sign_in', 'decision', 'action'], 'verdict_by_rare_level', models.Q(level__in=['medium', 'high'])),
        add('verdict', ['action', 'sign_in', 'decision', 'level'], 'verdict_by_rare_action',
            models.Q(action__in=['flagged', 'session_ended'])),
    ]
