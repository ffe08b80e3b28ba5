// The shop on Fastify, with the plugin that names its routes: fastify_shop.js PORT
const { FastifyOtelInstrumentation } = require("@fastify/otel");
new FastifyOtelInstrumentation({ registerOnInitialization: true });
const app = require("fastify")();
const shop = require("./shop");

const say = (reply, [status, body]) => reply.code(status).send(body);
app.register(async (api) => {
  api.get("/health", async () => ({ ok: true }));
  api.get("/api/orders/:id", async (req) => shop.order(req.params.id));
  api.get("/api/users/:name", async (req) => shop.user(req.params.name));
  api.get("/api/search", async (req) => shop.search(req.query.q));
  api.post("/api/login", (req, reply) => say(reply, shop.login(req.body)));
  api.get("/api/me", (req, reply) => say(reply, shop.me(req.headers.authorization)));
});
app.listen({ port: Number(process.argv[2]), host: "127.0.0.1" });
