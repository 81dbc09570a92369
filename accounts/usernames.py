"""What a user name may be (allauth's ACCOUNT_USERNAME_VALIDATORS)."""

from django.core.validators import RegexValidator

# No @: what is typed at sign-in is a user name or an e-mail address, never both.
validators = [RegexValidator(r"^[\w.+-]+\Z", "A user name has letters, digits and . + - _ only.")]
