from django.db import migrations

# Of runs that may still be gone on with, recovery has to know where their messages wait.
STAGES_AND_QUEUES = """
UPDATE workflows_step
SET stage = CASE name WHEN 'check_device' THEN 0 WHEN 'notify_user' THEN 1 WHEN 'save_event' THEN 1
    WHEN 'post_to_risk_api' THEN 2 ELSE 3 END,
    queue = CASE name WHEN 'notify_user' THEN 'mail' WHEN 'post_to_risk_api' THEN 'risk' ELSE 'sign_in' END
WHERE run_id IN (SELECT id FROM workflows_run WHERE state IN ('queued', 'running', 'retrying', 'failed'))
"""


class Migration(migrations.Migration):

    dependencies = [
        ('workflows', '0004_kinds_attempts_callbacks'),
    ]

    operations = [
        migrations.RunSQL(STAGES_AND_QUEUES, migrations.RunSQL.noop),
    ]
