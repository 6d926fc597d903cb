"""An issuer of OpenID Connect: signs tokens with PyJWT and serves its keys.

usage: oidc_issuer.py
Prints `issuer URL`, then one JSON object with tokens by name. What each must get stands in tests/all/access/oidc.rs.
"""

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

keys = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def jwk(name):
    algorithm = jwt.get_algorithm_by_name(name)
    return {**json.loads(algorithm.to_jwk(keys[name].public_key())), "kid": f"key-{name}", "use": "sig", "alg": name}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        documents = {
            "/realm/.well-known/openid-configuration": {"issuer": issuer, "jwks_uri": f"{issuer}/keys"},
            "/realm/keys": {"keys": [jwk(name) for name in keys]},
        }
        document = documents.get(self.path)
        body = json.dumps(document).encode()
        self.send_response(200 if document else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
issuer = f"http://127.0.0.1:{server.server_port}/realm"
now = int(time.time())


def token(name="RS256", key=None, kid=None, **claims):
    claims = {
        "iss": issuer,
        "aud": ["account", "flyball"],
        "sub": "agent",
        "iat": now,
        "exp": now + 600,
        "scope": "openid flyball:write flyball:read",
        **claims,
    }
    return jwt.encode(claims, key or keys[name], algorithm=name, headers={"kid": kid or f"key-{name}"})


def encoded(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def with_header(header, sign):
    """A token that no library would make."""
    signed = f"{encoded(header)}.{token().split('.')[1]}"
    return f"{signed}.{base64.urlsafe_b64encode(sign(signed.encode())).rstrip(b'=').decode()}"


public_pem = keys["RS256"].public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
tokens = {
    "rs256": token("RS256"),
    "es256": token("ES256"),
    "eddsa": token("EdDSA"),
    "reader": token(scope="flyball:read"),
    "no scope": token(scope="openid"),
    "expired": token(exp=now - 120),
    "not yet": token(nbf=now + 120),
    "other audience": token(aud="grafana"),
    "other issuer": token(iss="https://id.example/realm"),
    "other key": token(key=rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    "unknown key": token(kid="key-9"),
    "none": with_header({"alg": "none", "typ": "JWT"}, lambda _: b""),
    # The public key, which everybody knows, taken for a secret.
    "hs256": with_header(
        {"alg": "HS256", "kid": "key-RS256"}, lambda signed: hmac.new(public_pem, signed, hashlib.sha256).digest()
    ),
    "swapped": token("ES256", kid="key-RS256"),
}
print(f"issuer {issuer}")
print(f"tokens {json.dumps(tokens)}")
threading.Thread(target=server.serve_forever).start()
