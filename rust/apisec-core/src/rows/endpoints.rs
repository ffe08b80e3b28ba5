//! Which endpoint a request hit: service, method and route template, in one spelling for all stacks.

mod keep;

use super::learned::{Asked, Learned, Limits, Merged, TICK};
use super::pages::Words;
use super::query;
use super::sketch::Sketch;
use super::template::{self, Template};
use crate::codec::{Member, Record, SpanBatch};
use crate::hash::{self, Hasher, IdMap};
use serde::Deserialize;
use std::collections::VecDeque;
use std::sync::Arc;

const UNMATCHED: &str = "(unmatched)";

/// What the processor `endpoints` hands over at start.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Methods that name an endpoint; any other reads `_OTHER`, for a caller can make up as many as he likes.
    pub methods: Vec<String>,
    /// Last segments, in lower case, of routes where one logs in.
    pub login_routes: Vec<String>,
    /// Statuses of a failed login.
    pub login_failed_status: Vec<u16>,
    /// Routes that pass unjudged.
    pub health_routes: Vec<String>,
    /// At most this many endpoints, and as many spellings of routes.
    pub max_endpoints: usize,
    /// At most this many templates are learned of one service.
    pub max_templates: usize,
    /// Most memory of all that is learned, in bytes.
    pub template_bytes: usize,
    /// Words that are never variables.
    pub literals: Vec<String>,
    /// Templates that win over all others.
    pub routes: Vec<Fixed>,
    /// Extensions, in lower case, of files that pages load.
    pub assets: Vec<String>,
    /// How segments begin that clients ask for on their own.
    pub automatic: Vec<String>,
    /// Ends of paths, or parts of them where a slash comes last, in lower case.
    pub listed: Vec<String>,
}

/// A template that configuration gives.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixed {
    /// The service's name; empty for all.
    pub service: String,
    /// `/users/{name}/profile`.
    pub path: String,
}

/// A template with what follows from it alone.
#[derive(Debug)]
pub struct Route {
    template: Template,
    key: u64,
    login: bool,
    probe: bool,
}

impl Route {
    /// The template's text.
    pub fn text(&self) -> &str {
        &self.template.text
    }
}

/// Which routes are logins and health checks; makes routes of templates.
#[derive(Debug)]
struct Spelling {
    login: Vec<String>,
    health: Vec<String>,
    hasher: Hasher,
}

impl Spelling {
    fn route(&self, template: Template) -> Route {
        Route {
            key: self.hasher.text(template.text.as_bytes()),
            login: self.is_login(&template.text),
            probe: self.is_probe(&template.text),
            template,
        }
    }

    fn is_login(&self, route: &str) -> bool {
        let last = route.rsplit('/').next().unwrap_or(route);
        self.login
            .iter()
            .any(|login| login.eq_ignore_ascii_case(last))
    }

    fn is_probe(&self, route: &str) -> bool {
        self.health.iter().any(|health| health == route)
    }
}

/// A method that names endpoints, by its place in the settings; the last one stands for all others.
#[derive(Clone, Copy, Debug)]
struct Method(usize);

/// The processor's state: spellings already read, templates learned, names of endpoints.
#[derive(Debug)]
pub struct Endpoints {
    settings: Settings,
    hasher: Hasher,
    methods: Vec<u64>,
    unmatched: u64,
    spelled: IdMap<u64, Option<Arc<Route>>>,
    spelling: Spelling,
    words: Words,
    fixed: Vec<(String, Arc<Route>)>,
    learned: Learned,
    tick: i64,
    names: IdMap<u64, String>,
    /// Endpoints that are part of another by now; their names stay.
    aliases: IdMap<u64, u64>,
    /// The same in the order in which they were merged: the oldest leave first.
    history: VecDeque<u64>,
    /// Paths that no endpoint has: scanners make them up, so they are counted and not kept.
    unknown: Sketch,
    /// Endpoints merged since the start: the version of their history.
    pub merged: u64,
    /// Requests for which there was no room.
    pub overflow: u64,
}

impl Endpoints {
    /// State with nothing learned.
    pub fn new(mut settings: Settings, hasher: Hasher) -> Self {
        settings.methods.push("_OTHER".to_owned());
        let spelling = Spelling {
            login: settings.login_routes.clone(),
            health: settings.health_routes.clone(),
            hasher: hasher.clone(),
        };
        let fixed = settings
            .routes
            .iter()
            .filter_map(|fixed| Some((fixed.service.clone(), template::normalise(&fixed.path)?)))
            .map(|(service, template)| (service, Arc::new(spelling.route(template))))
            .collect();
        let literal = settings
            .literals
            .iter()
            .map(|word| word.as_str().into())
            .collect();
        let words = Words {
            assets: settings.assets.clone(),
            automatic: settings.automatic.clone(),
            listed: settings.listed.clone(),
        };
        let limits = Limits {
            templates: settings.max_templates,
            bytes: settings.template_bytes,
        };
        let learned = Learned::new(literal, limits, hasher.clone());
        Self {
            methods: settings
                .methods
                .iter()
                .map(|m| hasher.text(m.as_bytes()))
                .collect(),
            unmatched: hasher.text(UNMATCHED.as_bytes()),
            settings,
            hasher,
            spelled: IdMap::default(),
            learned,
            spelling,
            words,
            fixed,
            tick: 0,
            names: IdMap::default(),
            aliases: IdMap::default(),
            history: VecDeque::new(),
            unknown: Sketch::default(),
            merged: 0,
            overflow: 0,
        }
    }

    /// Fills route, endpoint, object_id, object_number, login, login_failed, probe and what [`Words`] tells of each request.
    pub fn process(&mut self, batch: &mut SpanBatch) {
        for member in batch.members_mut() {
            let mut rows = std::mem::take(&mut member.rows);
            for r in rows.iter_mut().filter(|r| r.is_new_request()) {
                self.row(r, member);
            }
            member.rows = rows;
        }
    }

    /// `service METHOD /route` of an endpoint; None when it was never seen.
    pub fn name(&self, endpoint: u64) -> Option<&str> {
        self.names.get(&endpoint).map(String::as_str)
    }

    /// About how many different paths matched no endpoint.
    pub fn unknown(&self) -> f64 {
        self.unknown.count()
    }

    /// Number of endpoints known, those that were merged not counted.
    pub fn len(&self) -> usize {
        self.names.len() - self.aliases.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    fn row(&mut self, r: &mut Record, member: &Member) {
        let path = member.text(r.path_text);
        let method = self.method(member.text(r.method_text));
        self.settle(r.stream);
        let found = self
            .fixed(r, member, path)
            .or_else(|| self.given(r, member))
            .or_else(|| self.inferred(r, method, path));
        self.flags(r, method, path, found.as_deref());
        self.object(r, member, path, found.as_deref());
        r.route = found.as_deref().map_or(0, |route| route.key);
        r.endpoint = self.endpoint(r, member, method, found.as_deref());
        if found.is_none() && !path.is_empty() {
            self.unknown
                .add(hash::mix(r.service, self.hasher.text(path)));
        }
        self.words.fill(r, member, &self.hasher);
    }

    fn method(&self, text: &[u8]) -> Method {
        let known = self
            .settings
            .methods
            .iter()
            .position(|m| m.as_bytes() == text);
        Method(known.unwrap_or(self.settings.methods.len() - 1))
    }

    fn method_name(&self, method: Method) -> &str {
        &self.settings.methods[method.0]
    }

    /// The template that the instrumentation gave, unless it is a catch-all or the mount path of something else.
    fn given(&mut self, r: &Record, member: &Member) -> Option<Arc<Route>> {
        let text = member.text(r.route_text);
        if text.is_empty() {
            return None;
        }
        let rpc = member.text(r.rpc_text);
        let key = if rpc.is_empty() {
            self.hasher.text(text)
        } else {
            hash::mix(self.hasher.text(text), self.hasher.text(rpc))
        };
        let route = match self.spelled.get(&key) {
            Some(known) => known.clone(),
            None => self.spell(key, text, rpc),
        }?;
        (!rpc.is_empty() || !is_mount(&route.template, r, member.text(r.path_text)))
            .then_some(route)
    }

    fn spell(&mut self, key: u64, text: &[u8], rpc: &[u8]) -> Option<Arc<Route>> {
        let text = String::from_utf8_lossy(text);
        let template = if rpc.is_empty() {
            template::normalise(&text)
        } else {
            template::normalise(&rpc_route(&text, &String::from_utf8_lossy(rpc)))
        };
        let route = template.map(|template| Arc::new(self.spelling.route(template)));
        if self.spelled.len() < self.settings.max_endpoints {
            self.spelled.insert(key, route.clone());
        }
        route
    }

    /// The configured template that the path matches.
    fn fixed(&self, r: &Record, member: &Member, path: &[u8]) -> Option<Arc<Route>> {
        if self.fixed.is_empty() || !member.text(r.rpc_text).is_empty() {
            return None;
        }
        let (service, path) = (member.text(r.service_text), String::from_utf8_lossy(path));
        self.fixed
            .iter()
            .filter(|(of, _)| of.is_empty() || of.as_bytes() == service)
            .find(|(_, route)| template::matches(route.text(), &path))
            .map(|(_, route)| route.clone())
    }

    /// The template learned from paths that succeeded.
    fn inferred(&mut self, r: &Record, method: Method, path: &[u8]) -> Option<Arc<Route>> {
        if path.is_empty() {
            return None;
        }
        let path = &*String::from_utf8_lossy(path);
        let teaches = r.succeeded == 1 && r.late != 1;
        let asked = Asked {
            service: r.service,
            method: method.0,
            path,
            teaches,
            now: r.stream,
        };
        self.learned
            .find(asked, |template| self.spelling.route(template))
    }

    /// What was learned takes effect when stream time passes a tick, before the row that does so.
    fn settle(&mut self, stream: i64) {
        let tick = stream.div_euclid(TICK);
        if tick == self.tick {
            return;
        }
        self.tick = tick;
        for merged in self.learned.tick(|template| self.spelling.route(template)) {
            self.alias(&merged);
        }
    }

    fn alias(&mut self, merged: &Merged) {
        for (number, method) in self.methods.iter().enumerate() {
            if merged.methods >> (number & 31) & 1 == 0 {
                continue;
            }
            let of_method = hash::mix(merged.service, *method);
            let old = hash::mix(of_method, merged.old.key);
            let new = hash::mix(of_method, merged.new.key);
            let Some(name) = self.names.get(&old) else {
                continue;
            };
            let stem = name.strip_suffix(merged.old.text()).unwrap_or(name);
            let name = format!("{stem}{}", merged.new.text());
            self.names.entry(new).or_insert(name);
            if self.aliases.insert(old, new).is_none() {
                self.history.push_back(old);
            }
            self.merged += 1;
        }
        while self.history.len() > self.settings.max_endpoints {
            if let Some(oldest) = self.history.pop_front() {
                self.aliases.remove(&oldest);
                self.names.remove(&oldest);
            }
        }
    }

    /// The endpoint that this one is by now: itself unless it was merged.
    pub fn current(&self, endpoint: u64) -> u64 {
        let mut at = endpoint;
        // A chain is as long as the levels of a path at most.
        for _ in 0..64 {
            match self.aliases.get(&at) {
                Some(next) if *next != at => at = *next,
                _ => break,
            }
        }
        at
    }

    /// Bytes held by learned templates.
    pub fn bytes(&self) -> usize {
        self.learned.bytes()
    }

    /// Learned templates that left for want of room.
    pub fn evicted(&self) -> u64 {
        self.learned.evicted
    }

    fn flags(&self, r: &mut Record, method: Method, path: &[u8], found: Option<&Route>) {
        let post = self.method_name(method) == "POST";
        let (login, probe) = match found {
            Some(route) => (post && route.login, route.probe),
            None => {
                let path = String::from_utf8_lossy(path);
                (
                    post && self.spelling.is_login(&path),
                    self.spelling.is_probe(&path),
                )
            }
        };
        let failed = || {
            self.settings
                .login_failed_status
                .iter()
                .any(|s| f64::from(*s) == r.status)
        };
        r.login_failed = match (login, r.status.is_nan()) {
            (false, _) => -1,
            (true, true) => 0,
            (true, false) => kleene(failed()),
        };
        r.login = kleene(login);
        r.probe = kleene(probe);
    }

    fn object(&self, r: &mut Record, member: &Member, path: &[u8], found: Option<&Route>) {
        let value = found
            .and_then(|route| route.template.object)
            .and_then(|from_end| template::segment_from_end(path, from_end))
            .or_else(|| query::object(member.text(r.query_text)));
        let value = value.map(query::decoded);
        r.object_id = value.as_ref().map_or(0, |v| self.hasher.text(v));
        r.object_number = value.map_or(f64::NAN, |v| query::number(&v));
    }

    fn endpoint(
        &mut self,
        r: &Record,
        member: &Member,
        method: Method,
        found: Option<&Route>,
    ) -> u64 {
        let of_method = hash::mix(r.service, self.methods[method.0]);
        let key = hash::mix(of_method, found.map_or(self.unmatched, |route| route.key));
        if self.names.contains_key(&key) {
            return key;
        }
        let (key, route) = match found {
            Some(route) if self.len() < self.settings.max_endpoints => {
                (key, route.template.text.as_str())
            }
            other => {
                self.overflow += u64::from(other.is_some());
                (hash::mix(of_method, self.unmatched), UNMATCHED)
            }
        };
        // Services multiply `(unmatched)` in turn: past as many of them again there is one for all.
        if self.len() >= 2 * self.settings.max_endpoints && !self.names.contains_key(&key) {
            self.names
                .entry(self.unmatched)
                .or_insert_with(|| UNMATCHED.to_owned());
            return self.unmatched;
        }
        let service = member.string(r.service_text);
        let service = if service.is_empty() {
            "unknown_service"
        } else {
            &service
        };
        let name = format!("{service} {} {route}", self.method_name(method));
        self.names.entry(key).or_insert(name);
        key
    }
}

fn kleene(holds: bool) -> i8 {
    if holds { 1 } else { -1 }
}

/// `/package.Service/Method`, from one attribute or from two.
fn rpc_route(method: &str, service: &str) -> String {
    let method = method.trim_start_matches('/');
    if method.contains('/') {
        format!("/{method}")
    } else {
        format!("/{service}/{method}")
    }
}

/// A route that covers only the beginning of the path says where something is mounted, not what was asked.
fn is_mount(template: &Template, r: &Record, path: &[u8]) -> bool {
    if template.catch_all || template::count_segments(path) <= template.segments {
        return false;
    }
    r.status == 404.0 || (!template.variable && path.starts_with(template.text.as_bytes()))
}
