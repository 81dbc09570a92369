from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0013_email_changes"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="securityevent",
            index=models.Index(fields=["user", "-created_at", "kind"], name="security_event_of_user"),
        ),
        migrations.RemoveIndex(model_name="securityevent", name="security_event_by_user"),
    ]
