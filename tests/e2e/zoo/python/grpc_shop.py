"""The shop on gRPC, JSON for messages: `grpc_shop.py PORT`."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import shop


def asked(context: grpc.ServicerContext) -> str | None:
    """The caller's authorization."""
    return next((str(value) for key, value in context.invocation_metadata() if key == "authorization"), None)


def refused(context: grpc.ServicerContext, answer: tuple[dict[str, object], int]) -> dict[str, object]:
    """The answer, its status UNAUTHENTICATED where that is 401 (an abort would record paths of the machine)."""
    if answer[1] == 401:
        context.set_code(grpc.StatusCode.UNAUTHENTICATED)
    return answer[0]


METHODS = {
    "Health": lambda body, context: {"ok": True},
    "Order": lambda body, context: shop.order(body["id"]),
    "User": lambda body, context: shop.user(body["name"]),
    "Search": lambda body, context: shop.search(body["q"]),
    "Login": lambda body, context: refused(context, shop.login(body)),
    "Me": lambda body, context: refused(context, shop.me(asked(context))),
}


def handler(method: str) -> grpc.RpcMethodHandler:
    """JSON in, JSON out."""
    return grpc.unary_unary_rpc_method_handler(METHODS[method], json.loads, lambda answer: json.dumps(answer).encode())


if __name__ == "__main__":
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.v1.Shop", {name: handler(name) for name in METHODS}),))
    server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    server.start()
    server.wait_for_termination()
