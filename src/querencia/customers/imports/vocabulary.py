"""What a file of purchases or customers can tell, and the headers under which files in three languages do."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

PURCHASES, CUSTOMERS = "purchases", "customers"


@dataclass(frozen=True)
class Field:
    """One thing a row can tell. ``headers`` are folded: lower case, no accents, words parted by one blank."""

    name: str
    label: Any
    help: Any
    headers: tuple[str, ...]
    is_required: bool = False
    takes_formula: bool = False  # or, for a date, columns joined by +


def _said(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


OF_PURCHASES = (
    Field("customer_key", _("Customer"), _("The customer's number or id"), _said("""
        customer id, customer key, customer number, customer no, customer code, customer, customerid, cust id, cust,
        client id, client number, client, user id, member id, member number, account id, shopper id, buyer id,
        loyalty number, card number, id cliente, cliente id, codigo cliente, codigo de cliente, cod cliente,
        numero cliente, numero de cliente, num cliente, no cliente, n cliente, n de cliente, cliente, socio,
        id socio, numero de socio, n socio, tarjeta, id do cliente, codigo do cliente, numero do cliente,
        n do cliente, comprador, customer email, email cliente, id, master id, dni, nif, cpf, cpf cnpj, nit, rut,
        rfc
    """), is_required=True),
    Field("at", _("Date"), _(
        "Day, or day and time, of the purchase; of several columns: Date+Time, Year+Month+Day"
    ), _said("""
        at, date, datetime, purchase date, order date, invoice date, invoicedate, transaction date, sale date,
        sold at, created at, date time, timestamp, order timestamp, order purchase timestamp, time, when, day,
        ordered at, paid at, fecha, fecha compra, fecha de compra, fecha venta, fecha de venta, fecha pedido,
        fecha de pedido, fecha del pedido, fecha factura, fecha de factura, fecha ticket, fecha hora, fecha y hora,
        fecha emision, fecha de emision, dia, data, data compra, data da compra, data de compra, data venda,
        data da venda, data pedido, data do pedido, data da fatura, data emissao, data de emissao, data hora,
        data e hora
    """), is_required=True, takes_formula=True),
    Field("amount", _("Amount"), _(
        "What was paid; negative for a refund. A formula is possible: Quantity*UnitPrice"
    ), _said("""
        amount, amt, total, total amount, order total, invoice total, sales, revenue, net amount, gross amount,
        grand total, line total, total price, paid, spend, sale amount, purchase amount, total paid, order value,
        value, payment value, importe, importe total, total factura, importe neto, total venta, total pedido,
        total compra, monto, monto total, valor, valor total, valor de la compra, ventas, venta, total linea,
        valor da compra, valor do pedido, valor da venda, valor pago, montante, faturamento, total do pedido,
        total da venda, total eur, importe eur
    """), is_required=True, takes_formula=True),
    Field("key", _("Purchase number"), _(
        "Order, invoice or ticket number; rows that share it are lines of one purchase"
    ), _said("""
        key, purchase id, purchase key, order id, order number, order no, order, invoice, invoice no, invoiceno,
        invoice number, invoice id, transaction id, transaction number, receipt, receipt number, receipt no,
        receipt id, ticket, ticket number, ticket id, sale id, basket id, id compra, id pedido, pedido,
        numero pedido, numero de pedido, n pedido, num pedido, no pedido, factura, numero factura,
        numero de factura, n factura, num factura, no factura, id factura, numero de ticket, n ticket, num ticket,
        no ticket, id venta, albaran, numero de venta, id do pedido, numero do pedido, n do pedido, fatura,
        numero da fatura, nota fiscal, numero da nota, cupom, id venda, id da venda, venda, codigo pedido,
        codigo do pedido, recibo, numero recibo, id transaccion, id transacao
    """)),
    Field("currency", _("Currency"), _("Three letters, such as EUR"), _said("""
        currency, currency code, iso currency, moneda, divisa, codigo moneda, moeda, codigo moeda
    """)),
    Field("channel", _("Channel"), _("Where it was bought: shop, web, phone"), _said("""
        channel, sales channel, order channel, canal, canal venta, canal de venta, canal de vendas, canal de venda
    """)),
    Field("branch", _("Branch"), _("The shop or office"), _said("""
        branch, store, shop, store id, shop id, location, outlet, sucursal, tienda, local, sede, punto de venta,
        id tienda, oficina, loja, filial, unidade, ponto de venda, id loja, codigo loja
    """)),
    Field("sku", _("Article"), _("Article number of the line"), _said("""
        sku, stock code, stockcode, product id, product code, item id, item code, article, article number, ean,
        barcode, articulo, codigo articulo, codigo de articulo, codigo producto, id producto, referencia, ref,
        artigo, codigo artigo, codigo produto, codigo do produto, id produto, produto id
    """)),
    Field("name", _("Article name"), _("What was bought"), _said("""
        description, product, product name, item, item name, article name, name, descripcion, producto,
        nombre producto, nombre articulo, nombre del producto, concepto, descricao, produto, nome produto,
        nome do produto
    """)),
    Field("category", _("Category"), _("Group of articles"), _said("""
        category, product category, department, family, product type, categoria, familia, departamento, seccion,
        rubro, categoria producto, categoria produto, secao, linha
    """)),
    Field("quantity", _("Quantity"), _("How many"), _said("""
        quantity, qty, units, pieces, count, cantidad, cant, unidades, uds, piezas, quantidade, qtd, qtde, qde
    """), takes_formula=True),
    Field("cost", _("Cost"), _("What the business paid for it"), _said("""
        cost, total cost, cogs, cost amount, line cost, coste, costo, coste total, costo total, custo, custo total
    """), takes_formula=True),
    Field("refund_of", _("Refund of"), _("The number of the purchase that this refunds"), _said("""
        refund of, refunded order, original order, original invoice, original order id, refunds, devolucion de,
        abono de, rectifica a, factura rectificada, pedido original, factura original, reembolso de, estorno de,
        devolucao de
    """)),
)  # fmt: skip

OF_CUSTOMERS = (
    Field("key", _("Customer"), _("The customer's number or id"), _said("""
        customer id, customer key, customer number, customer no, customer code, customerid, key, client id,
        client number, member id, member number, user id, account id, loyalty number, card number, unique id,
        rec id, id cliente, cliente id, codigo cliente, codigo de cliente, cod cliente, numero cliente,
        numero de cliente, num cliente, n cliente, n de cliente, id socio, numero de socio, id do cliente,
        codigo do cliente, numero do cliente, id, codigo, customer, cliente, master id, dni, nif, cpf, nit, rut,
        rfc
    """), is_required=True),
    Field("given_name", _("Given name"), _("First name"), _said("""
        given name, first name, firstname, forename, nombre de pila, primer nombre, primeiro nome, nombre, nome,
        prenome
    """)),
    Field("family_name", _("Family name"), _("Surname or surnames"), _said("""
        family name, last name, lastname, surname, apellidos, apellido, primer apellido, sobrenome, apelido,
        apelidos, ultimo nome
    """)),
    Field("name", _("Whole name"), _("Given and family name in one column"), _said("""
        name, full name, customer name, client name, fullname, display name, nombre completo, nombre y apellidos,
        nombre cliente, nombre del cliente, razon social, nome completo, nome do cliente, nome cliente,
        razao social
    """)),
    Field("email", _("E-mail"), _("Address for e-mail"), _said("""
        email, e mail, mail, email address, e mail address, customer email, correo, correo electronico,
        direccion de correo, email cliente, correio eletronico, endereco de email
    """)),
    Field("phone", _("Phone"), _("With country code, or as dialled in the country of the business"), _said("""
        phone, phone number, mobile, mobile phone, mobile number, cell, cell phone, cellphone, telephone, tel,
        whatsapp, telefono, telefono movil, movil, celular, numero de telefono, telefone, telemovel,
        numero de telefone, fone, contacto telefonico
    """)),
    Field("birthday", _("Birthday"), _("Date of birth"), _said("""
        birthday, birth date, birthdate, date of birth, dob, born, fecha nacimiento, fecha de nacimiento,
        nacimiento, cumpleanos, data nascimento, data de nascimento, nascimento, aniversario
    """)),
    Field("language", _("Language"), _("Such as es, pt or en"), _said("""
        language, lang, locale, preferred language, idioma, lengua, idioma preferido, lingua
    """)),
    Field("country", _("Country"), _("Name or ISO code"), _said("""
        country, country code, country name, pais, codigo pais, codigo de pais, nacion
    """)),
    Field("city", _("City"), _("Where they live"), _said("""
        city, town, suburb, municipality, ciudad, poblacion, localidad, municipio, cidade, localidade
    """)),
    Field("branch", _("Branch"), _("The shop or office"), _said("""
        branch, store, home store, shop, preferred store, sucursal, tienda, oficina, sede, loja, filial, unidade
    """)),
    Field("time_zone", _("Time zone"), _("Such as Europe/Madrid"), _said("""
        time zone, timezone, tz, zona horaria, huso horario, fuso horario
    """)),
    Field("created_at", _("Customer since"), _("When they became a customer"), _said("""
        created at, created, created on, signup date, sign up date, registration date, registered at, registered,
        joined, join date, customer since, member since, enrollment date, fecha alta, fecha de alta, alta,
        fecha registro, fecha de registro, cliente desde, data cadastro, data de cadastro, data do cadastro,
        data registo, data de registo
    """), takes_formula=True),
    Field("consent_email", _("Marketing by e-mail"), _("Yes or no"), _said("""
        consent email, email consent, email opt in, email marketing, marketing email, accepts marketing, newsletter,
        opt in, marketing consent, accepts email, consentimiento email, acepta email, acepta marketing,
        acepta publicidad, acepta newsletter, boletin, consentimiento, aceita marketing, aceita email,
        consentimento email, consentimento
    """)),
    Field("consent_phone", _("Marketing by phone"), _("Yes or no"), _said("""
        consent phone, phone consent, phone opt in, sms consent, sms opt in, accepts sms, acepta sms,
        acepta llamadas, consentimiento telefono, aceita sms, consentimento telefone
    """)),
    Field("consent_whatsapp", _("Marketing by WhatsApp"), _("Yes or no"), _said("""
        consent whatsapp, whatsapp consent, whatsapp opt in, acepta whatsapp, consentimiento whatsapp,
        aceita whatsapp, consentimento whatsapp
    """)),
    Field("consent_post", _("Marketing by post"), _("Yes or no"), _said("""
        consent post, post consent, mail opt in, post opt in, accepts mail, acepta correo postal,
        consentimiento postal, aceita correio, consentimento postal
    """)),
)  # fmt: skip

# A line's price per unit is no field of its own: with the quantity it makes the amount.
UNIT_PRICE = _said("""
        unit price, unitprice, price, price each, item price, precio, precio unitario, precio unidad, pvp, preco,
        preco unitario, valor unitario
    """)
# What only a person has: a purchase's date is not the date of birth, however much of it the header holds.
PERSONAL = frozenset(
    header
    for field in OF_CUSTOMERS
    if field.name not in ("key", "name", "branch", "country")
    for header in field.headers
)
DATES = ("at", "birthday", "created_at")
# Parts of a date in columns of their own: ``Enrollment Year`` is one, as ``enrollment date`` is a header of the field.
DATE_PARTS = (("year", "ano", "anio"), ("month", "mes"), ("day", "dia"))
DATE_WORDS = ("date", "fecha", "data")
CLOCK = _said("""
        time, hour, order time, purchase time, sale time, invoice time, transaction time, time of day, hora,
        hora venta, hora de venta, hora compra, hora de compra, hora pedido, hora ticket, hora factura, hora da venda,
        hora venda, hora da compra, hora do pedido, horario
    """)
# Words that say little by themselves: beside others they tell money only if those do too.
VAGUE = ("total", "value", "valor", "paid", "spend", "sales", "venta", "ventas")
OF_MONEY = _said("""
        amount, price, sum, net, gross, tax, taxes, vat, incl, included, including, excl, with, without, order,
        invoice, purchase, sale, ticket, receipt, eur, usd, gbp, brl, mxn, euro, euros, dollars, r, us, importe, monto,
        precio, neto, bruto, iva, con, sin, pedido, factura, compra, de, la, del, dolares, pesos, valor, total, preco,
        liquido, com, sem, da, do, venda, fatura, reais, final, paid, pagado, pago
    """)
# Headers of tables that tell of each customer how often, how long ago and for how long.
SUMMARIES = (("frequency", "recency"), ("x", "t x"), ("frecuencia", "recencia"), ("frequencia", "recencia"))
LINE_FIELDS = ("sku", "name", "category", "quantity")
CONSENT_FIELDS = {f"consent_{channel}": channel for channel in ("email", "phone", "whatsapp", "post")}


def fields(kind: str) -> list[Field]:
    """What a file of this kind can tell, the most important first."""
    return list(OF_CUSTOMERS if kind == CUSTOMERS else OF_PURCHASES)


def field(kind: str, name: str) -> Field | None:
    return next((known for known in fields(kind) if known.name == name), None)


def required(kind: str) -> list[str]:
    return [known.name for known in fields(kind) if known.is_required]
