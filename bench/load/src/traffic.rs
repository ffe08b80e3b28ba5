//! Traffic of a small shop: about 500 bytes a span, a third of them SERVER spans, ids and times rewritten for each send.

const SERVICES: [&str; 6] = ["gateway", "shop", "orders", "users", "payments", "search"];
const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15",
    "okhttp/4.12.0",
    "python-requests/2.32.3",
];

/// One request whose ids and times can be rewritten in place.
pub struct Request {
    pub bytes: Vec<u8>,
    pub spans: u32,
    /// Offsets of trace id, span id, start and end values, one a span.
    at: Vec<[usize; 4]>,
}

/// A small generator: the same seed gives the same traffic.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

fn varint(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push((v as u8) | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

fn field(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    varint(out, number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn text(out: &mut Vec<u8>, number: u64, key: &str, value: &str) {
    let (mut any, mut pair) = (Vec::new(), Vec::new());
    field(&mut any, 1, value.as_bytes());
    field(&mut pair, 1, key.as_bytes());
    field(&mut pair, 2, &any);
    field(out, number, &pair);
}

fn int(out: &mut Vec<u8>, number: u64, key: &str, value: u64) {
    let (mut any, mut pair) = (Vec::new(), Vec::new());
    varint(&mut any, 3 << 3);
    varint(&mut any, value);
    field(&mut pair, 1, key.as_bytes());
    field(&mut pair, 2, &any);
    field(out, number, &pair);
}

fn resource(service: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in [
        ("service.name", service),
        ("service.namespace", "shop"),
        ("service.version", "1.4.2"),
        ("deployment.environment.name", "prod"),
        ("host.name", "node-7"),
        ("k8s.pod.name", "orders-7d9f8c-x2x"),
        ("k8s.namespace.name", "shop"),
        ("telemetry.sdk.name", "opentelemetry"),
        ("telemetry.sdk.language", "java"),
        ("telemetry.sdk.version", "1.50.0"),
        ("os.type", "linux"),
        ("process.runtime.name", "OpenJDK"),
    ] {
        text(&mut out, 1, key, value);
    }
    out
}

fn server(out: &mut Vec<u8>, rng: &mut Rng, attack: bool) {
    let user = if attack {
        "mallory".to_owned()
    } else {
        format!("user-{}", rng.below(100) * rng.below(100))
    };
    let object = if attack {
        rng.below(1_000_000)
    } else {
        rng.below(8)
    };
    let (route, path) = match if attack { 0 } else { rng.below(4) } {
        0 | 1 => ("/api/orders/{id}", format!("/api/orders/{object}")),
        2 => ("/api/users/{id}/cart", format!("/api/users/{user}/cart")),
        _ => ("/api/search", "/api/search".to_owned()),
    };
    text(out, 9, "http.request.method", "GET");
    text(out, 9, "url.scheme", "https");
    text(out, 9, "url.path", &path);
    text(out, 9, "url.query", "page=2&sort=price");
    text(out, 9, "http.route", route);
    int(
        out,
        9,
        "http.response.status_code",
        if rng.below(50) == 0 { 404 } else { 200 },
    );
    text(out, 9, "server.address", "shop.example.org");
    int(out, 9, "server.port", 443);
    text(
        out,
        9,
        "client.address",
        &format!("203.0.{}.{}", rng.below(100), rng.below(250)),
    );
    text(out, 9, "network.peer.address", "10.1.2.3");
    int(out, 9, "network.peer.port", 40_000 + rng.below(20_000));
    text(out, 9, "network.protocol.version", "1.1");
    text(out, 9, "user_agent.original", AGENTS[rng.below(4) as usize]);
    text(out, 9, "user.id", &user);
    int(out, 9, "thread.id", rng.below(64));
    text(out, 9, "thread.name", "http-nio-8080-exec-12");
}

fn client(out: &mut Vec<u8>, rng: &mut Rng) {
    text(out, 9, "db.system.name", "postgresql");
    text(out, 9, "db.namespace", "orders");
    text(out, 9, "db.operation.name", "SELECT");
    text(out, 9, "db.collection.name", "orders");
    text(
        out,
        9,
        "db.query.text",
        "SELECT id, owner_id, total, currency, created_at FROM orders WHERE id = $1 AND tenant_id = $2",
    );
    text(out, 9, "server.address", "db-1.internal");
    int(out, 9, "server.port", 5432);
    int(out, 9, "thread.id", rng.below(64));
    text(out, 9, "thread.name", "http-nio-8080-exec-12");
}

fn span(rng: &mut Rng, attack: bool, marks: &mut [usize; 4]) -> Vec<u8> {
    let kind = match rng.below(1000) {
        _ if attack => 2,
        0..355 => 2,
        355..855 => 3,
        _ => 1,
    };
    let mut out = Vec::with_capacity(700);
    out.extend_from_slice(&[0x0a, 16]);
    marks[0] = out.len();
    out.extend_from_slice(&[1; 16]);
    out.extend_from_slice(&[0x12, 8]);
    marks[1] = out.len();
    out.extend_from_slice(&[2; 8]);
    field(&mut out, 4, &rng.next().to_le_bytes());
    field(
        &mut out,
        5,
        ["", "process", "GET /api/orders/{id}", "SELECT orders"][kind as usize].as_bytes(),
    );
    varint(&mut out, 6 << 3);
    varint(&mut out, kind);
    out.push(7 << 3 | 1);
    marks[2] = out.len();
    out.extend_from_slice(&[0; 8]);
    out.push(8 << 3 | 1);
    marks[3] = out.len();
    out.extend_from_slice(&[0; 8]);
    match kind {
        2 => server(&mut out, rng, attack),
        3 => client(&mut out, rng),
        _ => text(
            &mut out,
            9,
            "code.function.name",
            "org.example.orders.OrderService.load",
        ),
    }
    out
}

impl Request {
    /// A request of `spans` spans; one with an attack holds one span of somebody who walks through orders.
    pub fn new(rng: &mut Rng, spans: u32, attack: bool) -> Self {
        let groups = if spans >= 256 { 6 } else { 1 };
        let mut request = Self {
            bytes: Vec::new(),
            spans,
            at: Vec::new(),
        };
        for group in 0..groups {
            let share = spans / groups + u32::from(group < spans % groups);
            let service = SERVICES[rng.below(6) as usize];
            request.group(rng, service, share, attack && group == 0);
        }
        request
    }

    fn group(&mut self, rng: &mut Rng, service: &str, spans: u32, attack: bool) {
        let (mut scope, mut marks) = (Vec::new(), Vec::new());
        let mut name = Vec::new();
        field(&mut name, 1, b"io.opentelemetry.tomcat-10.0");
        field(&mut scope, 1, &name);
        for i in 0..spans {
            let mut at = [0; 4];
            let body = span(rng, attack && i == 0, &mut at);
            varint(&mut scope, 2 << 3 | 2);
            varint(&mut scope, body.len() as u64);
            marks.push(at.map(|m| m + scope.len()));
            scope.extend_from_slice(&body);
        }
        let mut group = Vec::new();
        field(&mut group, 1, &resource(service));
        varint(&mut group, 2 << 3 | 2);
        varint(&mut group, scope.len() as u64);
        let inner = group.len();
        group.extend_from_slice(&scope);
        varint(&mut self.bytes, 1 << 3 | 2);
        varint(&mut self.bytes, group.len() as u64);
        let base = self.bytes.len() + inner;
        self.bytes.extend_from_slice(&group);
        self.at.extend(marks.iter().map(|at| at.map(|m| m + base)));
    }

    /// New ids and times for every span: a request is never a repeat of one before.
    pub fn renew(&mut self, rng: &mut Rng, now: u64) {
        for at in &self.at {
            let (a, b, c) = (rng.next(), rng.next(), rng.next());
            self.bytes[at[0]..at[0] + 8].copy_from_slice(&a.to_le_bytes());
            self.bytes[at[0] + 8..at[0] + 16].copy_from_slice(&b.to_le_bytes());
            self.bytes[at[1]..at[1] + 8].copy_from_slice(&c.to_le_bytes());
            self.bytes[at[2]..at[2] + 8].copy_from_slice(&(now - 20_000_000).to_le_bytes());
            self.bytes[at[3]..at[3] + 8].copy_from_slice(&now.to_le_bytes());
        }
    }
}
