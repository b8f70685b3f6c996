from django.db import migrations

SAID = "%s holds facts: a row is never changed, another row follows it"
# What no row ever changes. What is not named is a cache, or has a door of its own below.
FACTS = {
    "loyalty_ruleversion": "id, version, document, in_force_from, published_at, programme_id, key",
    "loyalty_tierscheme": "id, version, document, in_force_from, published_at, programme_id",
    "loyalty_standing": "id, member_id, scheme_id, tier, since, until, reason, metric, at",
    "loyalty_hold": "id, programme_id, member_id, amount, made_at, expires_at",
    "loyalty_entry": (
        "id, programme_id, member_id, kind, at, recorded_at, purchase_id, hold_id, corrects_id, partner_id, staff_id, "
        "detail, pending, active, held, deficit, issued, redeemed, expired, clawed_back, adjusted, transferred, "
        "partner_points"
    ),
    "loyalty_lot": (
        "id, member_id, entry_id, amount, available_at, expires_at, rule_id, origin_id, partner_id, "
        "cost_per_thousand, lines"
    ),
    "loyalty_allocation": "id, entry_id, lot_id, hold_id, amount, held, redeemed",
}
# What may be emptied once the member's customer is erased, and a hold is closed once.
IS_ERASED = (
    "EXISTS (SELECT 1 FROM loyalty_member m JOIN customers_customer c ON c.id = m.customer_id "
    "WHERE m.id = OLD.member_id AND c.erased_at IS NOT NULL)"
)
DOORS = {
    ("loyalty_entry", "key"): f"{IS_ERASED} AND NEW.key LIKE 'erased:%'",
    ("loyalty_hold", "key"): f"{IS_ERASED} AND NEW.key LIKE 'erased:%'",
    ("loyalty_hold", "closed_at"): "OLD.closed_at IS NULL",
}


def guard(apps, schema_editor):
    """A later migration that alters one of these tables on SQLite rebuilds it without its triggers: make them again."""
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    unguard(apps, schema_editor)
    if is_postgresql:
        # What is updated with every purchase finds room beside where it was, and its indexes stay as they are.
        schema_editor.execute("ALTER TABLE loyalty_member SET (fillfactor = 75)")
        schema_editor.execute("ALTER TABLE loyalty_lot SET (fillfactor = 90)")
        function = f"""
            CREATE OR REPLACE FUNCTION loyalty_facts_stay() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION '{SAID % "%"}', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
            END $$"""
        schema_editor.execute(function, params=None)
    for table, columns in FACTS.items():
        does = _does(is_postgresql, table)
        schema_editor.execute(f"CREATE TRIGGER {table}_stays BEFORE UPDATE OF {columns} ON {table} {does}", params=None)
        if is_postgresql:
            # SQLite empties tables between tests by deleting, and has no other way to.
            schema_editor.execute(f"CREATE TRIGGER {table}_is_kept BEFORE DELETE ON {table} {does}", params=None)
    for (table, column), may in DOORS.items():
        name = f"{table}_{column}_door"
        if is_postgresql:
            function = f"""
                CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    IF {may} THEN RETURN NEW; END IF;
                    RAISE EXCEPTION '{SAID % "%"}', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
                END $$"""
            schema_editor.execute(function, params=None)
            when, does = "", f"FOR EACH ROW EXECUTE FUNCTION {name}()"
        else:
            when, does = f"WHEN NOT ({may})", _does(is_postgresql, table)
        schema_editor.execute(f"CREATE TRIGGER {name} BEFORE UPDATE OF {column} ON {table} {when} {does}", params=None)


def _does(is_postgresql, table):
    if is_postgresql:
        return "FOR EACH ROW EXECUTE FUNCTION loyalty_facts_stay()"
    return f"BEGIN SELECT RAISE(ABORT, '{SAID % table}'); END"


def unguard(apps, schema_editor):
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    names = [(table, f"{table}_{what}") for table in FACTS for what in ("stays", "is_kept")]
    names += [(table, f"{table}_{column}_door") for table, column in DOORS]
    for table, name in names:
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {name}{f' ON {table}' if is_postgresql else ''}")


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0001_ledger"), ("customers", "0018_events_of_looking_go")]
    operations = [migrations.RunPython(guard, unguard)]
