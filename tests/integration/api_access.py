"""Who may do what: every operation of the documents, asked for by everybody.

The rule is the operation's x-access; one without a rule fails.
"""

import base64
import copy
import hashlib
import hmac
import json
import time
import uuid

import jsonschema

# What each caller gets: "let in", or a status. Only the owner has bought what is asked for.
STRANGERS = ("none", "malformed", "expired", "refresh")
CALLERS = (*STRANGERS, "foreign", "owner", "merchant", "operator", "signed")
RULES = {
    "public": dict.fromkeys(CALLERS, "let in"),
    "customer": dict.fromkeys(CALLERS, 401) | dict.fromkeys(("foreign", "owner", "merchant"), "let in"),
    "owner": dict.fromkeys(CALLERS, 401) | {"foreign": 404, "merchant": 404, "owner": "let in"},
    "merchant": dict.fromkeys(CALLERS, 401) | {"foreign": 403, "owner": 403, "merchant": "let in"},
    "operator": dict.fromkeys(CALLERS, 401) | {"operator": "let in"},
    "signature": dict.fromkeys(CALLERS, 400) | {"signed": "let in"},
}


def _part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def expired(token, secret):
    """The same token, as it would have been an hour ago."""
    header, claims, _ = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(claims + "=="))
    claims |= {name: claims[name] - 3600 for name in ("iat", "exp", "nbf") if name in claims}
    signed = f"{header}.{_part(json.dumps(claims).encode())}"
    return f"{signed}.{_part(hmac.digest(secret.encode(), signed.encode(), 'sha256'))}"


def operations(document):
    """Each: method, path, operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


class Requests:
    """A request for each operation that would succeed if who asks may do it."""

    def __init__(self, shop, document):
        self.shop, self.document = shop, document
        self.objects = {"products": shop.pen, "categories": shop.category, "orders": shop.bought,
                        "payments": shop.bought, "purchases": shop.bought, "sagas": shop.bought}

    def resolve(self, value):
        while "$ref" in value:
            target = self.document
            for part in value["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            value = target
        return value

    @staticmethod
    def names_object(parameter):
        return parameter.get("required") or parameter["name"] == "purchase_id"

    def value_of(self, path, parameter):
        """Of a parameter that names an object."""
        if parameter["name"] == "purchase_id":
            return self.shop.bought
        if parameter["name"] == "asset":
            return "swagger-ui.css"
        return self.objects[path.split("/")[3]]

    def path_of(self, path, operation):
        filled, query = path, []
        for parameter in operation.get("parameters", ()):
            if not self.names_object(parameter):
                continue
            value = self.value_of(path, parameter)
            filled = filled.replace(f"{{{parameter['name']}}}", str(value))
            if parameter["in"] == "query":
                query.append(f"{parameter['name']}={value}")
        return filled + ("?" + "&".join(query) if query else "")

    def body_of(self, operation):
        if "requestBody" not in operation:
            return None
        schema = self.resolve(operation["requestBody"]["content"]["application/json"]["schema"])
        body = copy.deepcopy(schema["examples"][0])
        unique = uuid.uuid4().hex
        if "order_items" in body:
            body["order_items"][0]["product_id"] = self.shop.pen
        if "category_id" in body:
            body["category_id"] = self.shop.category
        if "refresh_token" in body:
            body["refresh_token"] = self.shop.register(f"{unique}@example.com")["refresh_token"]
        if operation["operationId"] == "login":
            self.shop.register(f"{unique}@example.com")
        if "email" in body:
            body["email"] = f"{unique}@example.com"
        if "phone_number" in body:
            body["phone_number"] = unique
        return body

    def headers_of(self, caller, body):
        """What the caller sends beside the body."""
        shop, token = self.shop, None
        if caller == "signed":
            text = f"{int(time.time())}.{json.dumps(body)}"
            digest = hmac.new(shop.webhook_secret.encode(), text.encode(), hashlib.sha256)
            return {"Stripe-Signature": f"t={text.split('.', 1)[0]},v1={digest.hexdigest()}"}
        if caller == "malformed":
            token = "x.y.z"
        elif caller == "expired":
            token = expired(shop.owner["access_token"], shop.secret)
        elif caller == "refresh":
            token = shop.owner["refresh_token"]
        elif caller in ("owner", "foreign", "merchant"):
            token = {"owner": shop.owner, "foreign": shop.other,
                     "merchant": shop.merchant}[caller]["access_token"]
        elif caller == "operator":
            token = shop.operator
        return {"Authorization": f"Bearer {token}"} if token else {}


def _faults(requests, operation, expected, answer):
    written = operation["responses"].get(str(answer.status))
    if written is None:
        yield f"{answer.status}, which is not written"
        return
    # What an operator may ask for can be too late, the saga having ended.
    let_in = answer.status < 300 or (answer.status == 409 and operation["x-access"] == "operator")
    if not (let_in if expected == "let in" else answer.status == expected):
        yield f"{answer.status} instead of {expected}"
    if answer.status in (401, 403) and not (answer.headers["WWW-Authenticate"] or "").startswith("Bearer"):
        yield f"{answer.status} without WWW-Authenticate"
    written = requests.resolve(written)
    type_ = (answer.headers["Content-Type"] or "").split(";")[0]
    if "content" in written and type_ not in written["content"]:
        yield f"{type_}, which is not written"
    elif type_.endswith("json"):
        schema = written["content"][type_]["schema"] | {
            "components": requests.document["components"]}
        for error in jsonschema.Draft202012Validator(schema).iter_errors(answer.json()):
            yield f"{answer.status}: {error.message}"


def check(shop, service, document):
    """(number of requests, [what was wrong])."""
    requests, asked, found = Requests(shop, document), 0, []
    for method, path, operation in operations(document):
        for caller, expected in RULES[operation["x-access"]].items():
            body = requests.body_of(operation)
            answer = shop.ask(service, method, requests.path_of(path, operation), body,
                              headers=requests.headers_of(caller, body))
            asked += 1
            found += [f"{service}: {method} {path} for {caller}: {fault}"
                      for fault in _faults(requests, operation, expected, answer)]
    return asked, found
