from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('workflows', '0013_filters'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='bulkjob',
            options={'permissions': [('bulk_sign_out', 'Can sign out many people everywhere'), ('bulk_security_notice', 'Can send many people a security notice'), ('bulk_ask_password', 'Can ask many people for a new password'), ('bulk_forget_devices', 'Can forget many devices'), ('bulk_run_again', 'Can run many workflows again'), ('bulk_resume', 'Can resume many failed runs'), ('bulk_rescore', 'Can have the risk service asked again about many sign-ins'), ('bulk_anonymise', 'Can anonymise many sign-ins'), ('bulk_export', 'Can export many rows'), ('approve_bulkjob', "Can approve another person's bulk job")]},
        ),
    ]
