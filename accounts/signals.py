"""What this room announces to whoever listens."""

from django.dispatch import Signal

# Sent with `sign_in` (a SignIn) inside the transaction that wrote it.
sign_in_recorded = Signal()
# Sent with `change` (a PasswordChange) inside the transaction that wrote it.
password_change_recorded = Signal()
# Sent with `notice` (a Notice that was handed over) and `error` (a text) inside the transaction that notes the error.
notice_not_made = Signal()
