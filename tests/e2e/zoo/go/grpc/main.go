// The shop on gRPC behind otelgrpc, JSON for messages: `grpc PORT`.
package main

import (
	"context"
	"encoding/json"
	"net"
	"os"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"zoo/spans"
)

type words map[string]any

// inJSON is what messages are written in, whatever the caller calls it.
type inJSON struct{}

func (inJSON) Marshal(message any) ([]byte, error)      { return json.Marshal(message) }
func (inJSON) Unmarshal(from []byte, message any) error { return json.Unmarshal(from, message) }
func (inJSON) Name() string                             { return "json" }

type answer func(context.Context, words) (words, error)

func login(_ context.Context, body words) (words, error) {
	name, _ := body["name"].(string)
	if body["password"] != "of-"+name {
		return nil, status.Error(codes.Unauthenticated, "wrong password")
	}
	return words{"token": "token-of-" + name}, nil
}

func me(asked context.Context, _ words) (words, error) {
	if len(metadata.ValueFromIncomingContext(asked, "authorization")) == 0 {
		return nil, status.Error(codes.Unauthenticated, "log in first")
	}
	return words{"ok": true}, nil
}

func echo(_ context.Context, body words) (words, error) { return body, nil }

func method(name string, does answer) grpc.MethodDesc {
	handle := func(_ any, asked context.Context, read func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		body := words{}
		if err := read(&body); err != nil {
			return nil, err
		}
		return does(asked, body)
	}
	return grpc.MethodDesc{MethodName: name, Handler: handle}
}

var shop = grpc.ServiceDesc{
	ServiceName: "shop.v1.Shop",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{
		method("Health", echo), method("Login", login), method("Me", me),
		method("Order", echo), method("User", echo), method("Search", echo),
	},
}

func main() {
	spans.Send()
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		panic(err)
	}
	server := grpc.NewServer(grpc.StatsHandler(otelgrpc.NewServerHandler()), grpc.ForceServerCodec(inJSON{}))
	server.RegisterService(&shop, struct{}{})
	if err := server.Serve(listener); err != nil {
		panic(err)
	}
}
