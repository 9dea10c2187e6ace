"""What the shop consists of: its services, and which topic goes from whom to whom."""

# By name, the services that speak gRPC, which others need, first.
SERVICES = ("account", "product", "order", "payment", "purchase", "orchestrator")
GRPC = ("account", "product")
# To which the edge leads customers.
EDGE = ("account", "product", "order", "payment", "purchase")
# {topic, less the relays' prefix: (who appends, who receives)}
ROUTES = {
    "account": (("account",), ()),
    "product": (("product",), ()),
    "purchase": (("purchase",), ("orchestrator",)),
    "update-product-inventory": (("orchestrator",), ("product",)),
    "rollback-product-inventory": (("orchestrator",), ("product",)),
    "create-order": (("orchestrator",), ("order",)),
    "rollback-order": (("orchestrator",), ("order",)),
    "create-payment": (("orchestrator",), ("payment",)),
    "rollback-payment": (("orchestrator",), ("payment",)),
    "reply": (("product", "order", "payment"), ("orchestrator",)),
    "purchase-result": (("orchestrator",), ("purchase", "order")),
}
TOPIC_PREFIX = "outbox.event."
