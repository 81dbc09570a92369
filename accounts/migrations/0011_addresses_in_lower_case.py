from django.db import migrations
from django.db.models.functions import Lower

import accounts.fields


def lower(apps, schema_editor):
    User = apps.get_model('accounts', 'User')
    EmailAddress = apps.get_model('account', 'EmailAddress')
    # They are unique in any case already.
    User.objects.exclude(email=Lower('email')).update(email=Lower('email'))
    for address in EmailAddress.objects.exclude(email=Lower('email')).order_by('pk'):
        same = EmailAddress.objects.filter(email=address.email.lower())
        if address.verified and same.filter(verified=True).exclude(user=address.user_id).exists():
            continue  # Two accounts have confirmed it. It stays, as it is: a person has to say whose it is.
        for twin in same.filter(user=address.user_id):
            address.verified = address.verified or twin.verified
            address.primary = address.primary or twin.primary
            twin.delete()
        address.email = address.email.lower()
        address.save()


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0010_sign_ins_by_time_and_id'),
        ('account', '0009_emailaddress_unique_primary_email'),
    ]

    operations = [
        migrations.AlterField(
            model_name='user',
            name='email',
            field=accounts.fields.LowerCaseEmailField(max_length=254, unique=True, verbose_name='e-mail address'),
        ),
        migrations.RunPython(lower, migrations.RunPython.noop),
    ]
