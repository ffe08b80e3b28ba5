"""The shop on Django: `django_shop.py PORT`."""

import json
import os
import sys
from wsgiref.simple_server import make_server

import django
import shop
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path


def health(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"ok": True})


def order(request: HttpRequest, id: int) -> JsonResponse:
    return JsonResponse(shop.order(id))


def user(request: HttpRequest, name: str) -> JsonResponse:
    return JsonResponse(shop.user(name))


def search(request: HttpRequest) -> JsonResponse:
    return JsonResponse(shop.search(request.GET["q"]))


def login(request: HttpRequest) -> JsonResponse:
    body, status = shop.login(json.loads(request.body))
    return JsonResponse(body, status=status)


def me(request: HttpRequest) -> JsonResponse:
    body, status = shop.me(request.headers.get("authorization"))
    return JsonResponse(body, status=status)


urlpatterns = [
    path("health", health),
    path("api/orders/<int:id>", order),
    path("api/users/<str:name>", user),
    path("api/search", search),
    path("api/login", login),
    path("api/me", me),
]

# Instrumentation asks for settings before this module is the root of the routes.
SETTINGS = {"ROOT_URLCONF": "django_shop", "ALLOWED_HOSTS": ["*"], "SECRET_KEY": "shop", "MIDDLEWARE": []}
for name, value in SETTINGS.items():
    globals()[name] = value

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_shop")
    django.setup()
    assert settings.ROOT_URLCONF == "django_shop"
    make_server("127.0.0.1", int(sys.argv[1]), get_wsgi_application()).serve_forever()
