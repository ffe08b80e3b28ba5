// The shop on Express, its API on a router of its own: express_shop.js PORT
const express = require("express");
const shop = require("./shop");

const app = express();
const api = express.Router();
app.use(express.json());
app.use("/api", api);
app.get("/health", (_, res) => res.json({ ok: true }));
api.get("/orders/:id", (req, res) => res.json(shop.order(req.params.id)));
api.get("/users/:name", (req, res) => res.json(shop.user(req.params.name)));
api.get("/search", (req, res) => res.json(shop.search(req.query.q)));
const say = (res, [status, body]) => res.status(status).json(body);
api.post("/login", (req, res) => say(res, shop.login(req.body)));
api.get("/me", (req, res) => say(res, shop.me(req.headers.authorization)));
app.listen(Number(process.argv[2]), "127.0.0.1");
