// What both Node shops answer.
const TOKENS = { "Bearer token-of-ann": "ann", "Bearer token-of-bob": "bob" };

exports.order = (id) => ({ id: Number(id), total: Number(id) % 97 });
exports.user = (name) => ({ name });
exports.search = (q) => ({ q, found: [] });
exports.login = ({ name, password }) =>
  password === `of-${name}` ? [200, { token: `token-of-${name}` }] : [401, { error: "wrong password" }];
exports.me = (authorization) =>
  TOKENS[authorization] ? [200, { name: TOKENS[authorization] }] : [401, { error: "log in first" }];
