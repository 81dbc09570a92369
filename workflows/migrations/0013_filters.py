from django.db import migrations, models

# The table is not ours, and so is no model's index.
RESULTS = """
    CREATE INDEX result_of_no_success ON django_celery_results_taskresult (status, date_done, task_name)
    WHERE status <> 'SUCCESS'"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0008_filters'),
        ('django_celery_results', '0014_alter_taskresult_status'),
        ('workflows', '0012_bulk_lane_written'),
    ]

    operations = [
        migrations.RemoveIndex(model_name='run', name='run_failed'),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(
                fields=['state', 'sign_in'],
                condition=models.Q(state__in=['degraded', 'failed', 'cancelled']),
                name='run_by_rare_state',
            ),
        ),
        migrations.RunSQL(RESULTS, 'DROP INDEX result_of_no_success'),
    ]
