// The shop on net/http behind otelhttp: `http PORT`.
package main

import (
	"encoding/json"
	"net/http"
	"os"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"zoo/spans"
)

type words map[string]any

func answer(to http.ResponseWriter, status int, body words) {
	to.Header().Set("Content-Type", "application/json")
	to.WriteHeader(status)
	_ = json.NewEncoder(to).Encode(body)
}

func login(to http.ResponseWriter, asked *http.Request) {
	var body struct{ Name, Password string }
	if json.NewDecoder(asked.Body).Decode(&body) != nil || body.Password != "of-"+body.Name {
		answer(to, http.StatusUnauthorized, words{"error": "wrong"})
		return
	}
	answer(to, http.StatusOK, words{"token": "token-of-" + body.Name})
}

func me(to http.ResponseWriter, asked *http.Request) {
	if asked.Header.Get("Authorization") == "" {
		answer(to, http.StatusUnauthorized, words{"error": "who"})
		return
	}
	answer(to, http.StatusOK, words{"ok": true})
}

func echo(name string) http.HandlerFunc {
	return func(to http.ResponseWriter, asked *http.Request) {
		answer(to, http.StatusOK, words{name: asked.PathValue(name)})
	}
}

func main() {
	spans.Send()
	shop := http.NewServeMux()
	shop.HandleFunc("GET /health", echo("ok"))
	shop.HandleFunc("POST /api/login", login)
	shop.HandleFunc("GET /api/me", me)
	shop.HandleFunc("GET /api/orders/{id}", echo("id"))
	shop.HandleFunc("GET /api/users/{name}", echo("name"))
	shop.HandleFunc("GET /api/search", echo("q"))
	if err := http.ListenAndServe("127.0.0.1:"+os.Args[1], otelhttp.NewHandler(shop, "shop")); err != nil {
		panic(err)
	}
}
