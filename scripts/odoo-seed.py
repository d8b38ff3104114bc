"""What scripts/odoo.sh adds to a new Odoo; its `odoo shell` runs this with `env` set.

Adds sale orders until there are 40, cuts the paid services' addresses, and prints
an API key of the administrator as `KEY <40 hexadecimal digits>`.
"""

settings = env["ir.config_parameter"]  # noqa: F821
for service in ("iap", "iap.partner_autocomplete", "sms", "snailmail", "enrich"):
    settings.set_param(service + ".endpoint", "http://127.0.0.1:9")  # nobody listens there

orders = env["sale.order"]  # noqa: F821
customers = env["res.partner"].search([("is_company", "=", True)], order="id")  # noqa: F821
products = env["product.product"].search([("sale_ok", "=", True)], order="id")  # noqa: F821
for n in range(40 - orders.search_count([])):
    orders.create(
        {
            "partner_id": customers[n % len(customers)].id,
            "client_order_ref": f"EXTRA-{n:04}",
            "order_line": [
                (0, 0, {"product_id": products[(n * 3 + line) % len(products)].id, "product_uom_qty": line + 1})
                for line in range(n % 3 + 1)
            ],
        }
    )

admin = env.ref("base.user_admin")  # noqa: F821
print("KEY", env["res.users.apikeys"].with_user(admin)._generate(None, "odoo-bridge tests", None))  # noqa: F821
env.cr.commit()  # noqa: F821
