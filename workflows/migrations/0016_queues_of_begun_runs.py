from django.db import migrations, models

# Of runs that may still be gone on with, recovery has to know where their messages wait.
QUEUES = """
UPDATE workflows_step SET queue = 'under_way'
WHERE queue = 'sign_in' AND name IN ('save_event', 'end_other_sessions', 'post_process') AND run_id IN (
    SELECT id FROM workflows_run WHERE state IN ('queued', 'running', 'retrying')
    UNION ALL SELECT id FROM workflows_run WHERE state = 'failed'
)
"""


class Migration(migrations.Migration):

    dependencies = [
        ('workflows', '0015_runs_that_failed_lately'),
    ]

    operations = [
        migrations.RunSQL(QUEUES, migrations.RunSQL.noop),
        migrations.RemoveIndex(model_name='run', name='run_unfinished_by_recover_at'),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(condition=models.Q(('state__in', ['queued', 'running', 'retrying'])), fields=['recover_at', 'id'], name='run_unfinished_by_recover_at'),
        ),
    ]
