
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('loyalty', '0009_notices'),
    ]

    operations = [
        migrations.CreateModel(
            name='BudgetUse',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('rule', models.SlugField(db_index=False, max_length=60)),
                ('points', models.BigIntegerField(default=0)),
                ('programme', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='loyalty.programme')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('programme', 'rule'), name='budget_use_once'), models.CheckConstraint(condition=models.Q(('points__gte', 0)), name='budget_use_not_negative')],
            },
        ),
    ]
