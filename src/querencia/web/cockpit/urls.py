from django.urls import path

from querencia.web.cockpit import customers, economics, house, imports, keys, measures, overview, settings, welcome

urlpatterns = [
    path("", house.home, name="home"),
    path("overview/", overview.overview, name="overview"),
    path("how/", overview.how, name="how"),
    path("economics/", economics.economics_page, name="economics"),
    path("customers/", customers.customers, name="customers"),
    path("customers/export/", customers.export, name="customers_export"),
    path("customers/columns/", customers.columns, name="customers_columns"),
    path("customers/<int:pk>/", customers.customer, name="customer"),
    path("imports/", imports.imports, name="imports"),
    path("imports/<uuid:pk>/", imports.imported, name="import"),
    path("imports/<uuid:pk>/look/", imports.look, name="import_look"),
    path("imports/<uuid:pk>/confirm/", imports.confirm, name="import_confirm"),
    path("imports/<uuid:pk>/again/", imports.again, name="import_again"),
    path("imports/<uuid:pk>/discard/", imports.discard, name="import_discard"),
    path("imports/<uuid:pk>/rejects/", imports.rejects, name="import_rejects"),
    path("measures/", measures.measures, name="measures"),
    path("measures/now/", measures.measure_now, name="measure_now"),
    path("settings/", settings.settings_page, name="settings"),
    path("settings/staff/", settings.add_staff, name="staff_add"),
    path("settings/staff/<int:pk>/", settings.change_staff, name="staff_change"),
    path("settings/keys/", keys.keys, name="keys"),
    path("settings/keys/<int:pk>/revoke/", keys.revoke, name="key_revoke"),
    path("welcome/", welcome.welcome, name="welcome"),
    path("language/", house.language, name="language"),
    path("health/", house.health, name="health"),
]
