//! Which endpoint a request hit: service, method and route template, in one spelling for all stacks.

mod keep;

use super::query;
use super::template::{self, Template};
use crate::codec::{Member, Record, SpanBatch};
use crate::hash::{self, Hasher, IdMap, IdSet};
use serde::Deserialize;
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
}

/// A template with what follows from it alone.
#[derive(Debug)]
struct Route {
    template: Template,
    key: u64,
    login: bool,
    probe: bool,
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
    learned: IdSet,
    names: IdMap<u64, String>,
    /// Requests for which there was no room.
    pub overflow: u64,
}

impl Endpoints {
    /// State with nothing learned.
    pub fn new(mut settings: Settings, hasher: Hasher) -> Self {
        settings.methods.push("_OTHER".to_owned());
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
            learned: IdSet::default(),
            names: IdMap::default(),
            overflow: 0,
        }
    }

    /// Fills route, endpoint, object_id, login, login_failed and probe of each request.
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

    /// Number of endpoints known.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    fn row(&mut self, r: &mut Record, member: &Member) {
        let path = member.text(r.path_text);
        let method = self.method(member.text(r.method_text));
        let found = self
            .given(r, member)
            .or_else(|| self.typed(r, method, path));
        self.flags(r, method, path, found.as_deref());
        self.object(r, member, path, found.as_deref());
        r.route = found.as_deref().map_or(0, |route| route.key);
        r.endpoint = self.endpoint(r, member, method, found.as_deref());
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
        let route = template.map(|template| Arc::new(self.known(template)));
        if self.spelled.len() < self.settings.max_endpoints {
            self.spelled.insert(key, route.clone());
        }
        route
    }

    fn known(&self, template: Template) -> Route {
        Route {
            key: self.hasher.text(template.text.as_bytes()),
            login: self.is_login(&template.text),
            probe: self.is_probe(&template.text),
            template,
        }
    }

    fn is_login(&self, route: &str) -> bool {
        let last = route.rsplit('/').next().unwrap_or(route);
        self.settings
            .login_routes
            .iter()
            .any(|login| login.eq_ignore_ascii_case(last))
    }

    fn is_probe(&self, route: &str) -> bool {
        self.settings
            .health_routes
            .iter()
            .any(|health| health == route)
    }

    /// The template by the look of the path: only a success makes a new one.
    fn typed(&mut self, r: &Record, method: Method, path: &[u8]) -> Option<Arc<Route>> {
        if path.is_empty() {
            return None;
        }
        let route = self.known(template::typed(&String::from_utf8_lossy(path)));
        let key = hash::mix(hash::mix(r.service, self.methods[method.0]), route.key);
        let room = self.learned.len() < self.settings.max_endpoints;
        let known =
            self.learned.contains(&key) || (r.succeeded == 1 && room && self.learned.insert(key));
        known.then(|| Arc::new(route))
    }

    fn flags(&self, r: &mut Record, method: Method, path: &[u8], found: Option<&Route>) {
        let post = self.method_name(method) == "POST";
        let (login, probe) = match found {
            Some(route) => (post && route.login, route.probe),
            None => {
                let path = String::from_utf8_lossy(path);
                (post && self.is_login(&path), self.is_probe(&path))
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
        r.object_id = value.map_or(0, |v| self.hasher.text(&query::decoded(v)));
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
            Some(route) if self.names.len() < self.settings.max_endpoints => {
                (key, route.template.text.as_str())
            }
            other => {
                self.overflow += u64::from(other.is_some());
                (hash::mix(of_method, self.unmatched), UNMATCHED)
            }
        };
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
