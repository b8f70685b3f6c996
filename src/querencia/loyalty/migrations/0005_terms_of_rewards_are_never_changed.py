from django.db import migrations

TABLE = "loyalty_rewardversion"
FACTS = "id, version, document, in_force_from, published_at, reward_id"


def guard(apps, schema_editor):
    """As for the versions of rules: whoever redeemed keeps the terms of then."""
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    said = f"{TABLE} holds facts: a row is never changed, another row follows it"
    # The function is that of the facts of the ledger.
    does = (
        "FOR EACH ROW EXECUTE FUNCTION loyalty_facts_stay()"
        if is_postgresql
        else f"BEGIN SELECT RAISE(ABORT, '{said}'); END"
    )
    schema_editor.execute(f"CREATE TRIGGER {TABLE}_stays BEFORE UPDATE OF {FACTS} ON {TABLE} {does}", params=None)
    if is_postgresql:
        schema_editor.execute(f"CREATE TRIGGER {TABLE}_is_kept BEFORE DELETE ON {TABLE} {does}", params=None)


def unguard(apps, schema_editor):
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    for name in ("stays", "is_kept"):
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {TABLE}_{name}{f' ON {TABLE}' if is_postgresql else ''}")


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0004_rewards")]
    operations = [migrations.RunPython(guard, unguard)]
