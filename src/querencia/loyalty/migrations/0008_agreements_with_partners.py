import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


FACTS = {
    "loyalty_agreement": (
        "id, partner_id, version, starts_on, ends_on, funds_per_thousand, takes_per_thousand, published_at"
    ),
    "loyalty_statement": (
        "id, programme_id, partner_id, close_id, agreement_id, number, month, document, fingerprint, issued_at"
    ),
}


def guard(apps, schema_editor):
    """A later migration that alters one of these tables on SQLite rebuilds it without its triggers: make them again."""
    unguard(apps, schema_editor)
    for table, columns in FACTS.items():
        does = f"BEGIN SELECT RAISE(ABORT, '{table} holds facts: a row is never changed'); END"
        if schema_editor.connection.vendor == "postgresql":
            does = "FOR EACH ROW EXECUTE FUNCTION loyalty_facts_stay()"
            schema_editor.execute(f"CREATE TRIGGER {table}_is_kept BEFORE DELETE ON {table} {does}")
        schema_editor.execute(f"CREATE TRIGGER {table}_stays BEFORE UPDATE OF {columns} ON {table} {does}")


def unguard(apps, schema_editor):
    on = schema_editor.connection.vendor == "postgresql"
    for table in FACTS:
        for what in ("stays", "is_kept"):
            schema_editor.execute(f"DROP TRIGGER IF EXISTS {table}_{what}{f' ON {table}' if on else ''}")


class Migration(migrations.Migration):

    dependencies = [
        ('loyalty', '0007_gestures'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Agreement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.PositiveIntegerField(verbose_name='version')),
                ('starts_on', models.DateField(verbose_name='from')),
                ('ends_on', models.DateField(blank=True, null=True, verbose_name='before')),
                ('funds_per_thousand', models.BigIntegerField(verbose_name='price of points that the partner gives')),
                ('takes_per_thousand', models.BigIntegerField(verbose_name='price of points that the partner takes in')),
                ('published_at', models.DateTimeField(verbose_name='published')),
                ('partner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='agreements', to='loyalty.partner', verbose_name='partner')),
                ('published_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='by')),
            ],
            options={
                'verbose_name': 'agreement',
                'verbose_name_plural': 'agreements',"constraints": [models.UniqueConstraint(fields=('partner', 'version'), name='agreement_version_once'), models.CheckConstraint(condition=models.Q(('funds_per_thousand__gte', 0), ('takes_per_thousand__gte', 0)), name='agreement_not_negative'), models.CheckConstraint(condition=models.Q(('starts_on__day', 1), models.Q(('ends_on', None), models.Q(('ends_on__day', 1), ('ends_on__gt', models.F('starts_on'))), _connector='OR')), name='agreement_of_whole_months'),],},
        ),
        migrations.CreateModel(
            name='Statement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField(verbose_name='number')),
                ('month', models.DateField(verbose_name='month')),
                ('document', models.JSONField(verbose_name='document')),
                ('fingerprint', models.CharField(max_length=64, verbose_name='fingerprint')),
                ('issued_at', models.DateTimeField(verbose_name='issued')),
                ('agreement', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='loyalty.agreement', verbose_name='agreement')),
                ('close', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='loyalty.close', verbose_name='closed month')),
                ('issued_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='by')),
                ('partner', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='statements', to='loyalty.partner', verbose_name='partner')),
                ('programme', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='loyalty.programme', verbose_name='programme')),
            ],
            options={
                'verbose_name': 'statement',
                'verbose_name_plural': 'statements',"constraints": [models.UniqueConstraint(fields=('partner', 'month'), name='statement_once'), models.UniqueConstraint(fields=('programme', 'number'), name='statement_number_once'),],},
        ),
        
        
        
        
        
        migrations.RunPython(guard, unguard),
    ]
