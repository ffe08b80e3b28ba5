//! Which endpoint a request hit: service, method and route template, in one spelling for all stacks.

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

/// The processor's state: spellings already read, templates learned, names of endpoints.
#[derive(Debug)]
pub struct Endpoints {
    settings: Settings,
    hasher: Hasher,
    spelled: IdMap<u64, Option<Arc<Template>>>,
    learned: IdSet,
    names: IdMap<u64, String>,
    /// Requests for which there was no room.
    pub overflow: u64,
}

impl Endpoints {
    /// State with nothing learned.
    pub fn new(settings: Settings, hasher: Hasher) -> Self {
        Self {
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
        let route = found.as_deref().map_or(UNMATCHED, |t| t.text.as_str());
        r.route = if found.is_some() {
            self.hasher.text(route.as_bytes())
        } else {
            0
        };
        r.endpoint = self.endpoint(r, member, method, route);
    }

    fn method(&self, text: &[u8]) -> usize {
        self.settings
            .methods
            .iter()
            .position(|m| m.as_bytes() == text)
            .unwrap_or(usize::MAX)
    }

    fn method_name(&self, method: usize) -> &str {
        self.settings
            .methods
            .get(method)
            .map_or("_OTHER", String::as_str)
    }

    /// The template that the instrumentation gave, unless it is a catch-all or the mount path of something else.
    fn given(&mut self, r: &Record, member: &Member) -> Option<Arc<Template>> {
        let text = member.text(r.route_text);
        if text.is_empty() {
            return None;
        }
        let rpc = member.text(r.rpc_text);
        let key = hash::mix(self.hasher.text(text), self.hasher.text(rpc));
        let template = match self.spelled.get(&key) {
            Some(known) => known.clone(),
            None => self.spell(key, text, rpc),
        }?;
        (!rpc.is_empty() || !is_mount(&template, r, member.text(r.path_text))).then_some(template)
    }

    fn spell(&mut self, key: u64, text: &[u8], rpc: &[u8]) -> Option<Arc<Template>> {
        let text = String::from_utf8_lossy(text);
        let template = if rpc.is_empty() {
            template::normalise(&text)
        } else {
            template::normalise(&rpc_route(&text, &String::from_utf8_lossy(rpc)))
        };
        let template = template.map(Arc::new);
        if self.spelled.len() < self.settings.max_endpoints {
            self.spelled.insert(key, template.clone());
        }
        template
    }

    /// The template by the look of the path: only a success makes a new one.
    fn typed(&mut self, r: &Record, method: usize, path: &[u8]) -> Option<Arc<Template>> {
        if path.is_empty() {
            return None;
        }
        let template = template::typed(&String::from_utf8_lossy(path));
        let key = hash::mix(
            hash::mix(r.service, method as u64 + 1),
            self.hasher.text(template.text.as_bytes()),
        );
        let room = self.learned.len() < self.settings.max_endpoints;
        let known =
            self.learned.contains(&key) || (r.succeeded == 1 && room && self.learned.insert(key));
        if !known {
            return None;
        }
        Some(Arc::new(template))
    }

    fn flags(&self, r: &mut Record, method: usize, path: &[u8], found: Option<&Template>) {
        let path = String::from_utf8_lossy(path);
        let text = found.map_or(&*path, |t| t.text.as_str());
        let last = text.rsplit('/').next().unwrap_or(text).to_ascii_lowercase();
        let login =
            self.method_name(method) == "POST" && self.settings.login_routes.contains(&last);
        r.login = if login { 1 } else { -1 };
        let failed = self
            .settings
            .login_failed_status
            .iter()
            .any(|s| f64::from(*s) == r.status);
        r.login_failed = match (login, r.status.is_nan()) {
            (false, _) => -1,
            (true, true) => 0,
            (true, false) => {
                if failed {
                    1
                } else {
                    -1
                }
            }
        };
        r.probe = if self.settings.health_routes.iter().any(|h| h == text) {
            1
        } else {
            -1
        };
    }

    fn object(&self, r: &mut Record, member: &Member, path: &[u8], found: Option<&Template>) {
        let value = found
            .and_then(|t| t.object)
            .and_then(|from_end| template::segment_from_end(path, from_end))
            .or_else(|| query::object(member.text(r.query_text)));
        r.object_id = value.map_or(0, |v| self.hasher.text(&query::decoded(v)));
    }

    fn endpoint(&mut self, r: &Record, member: &Member, method: usize, route: &str) -> u64 {
        let key = self.key(r, method, route);
        if self.names.contains_key(&key) {
            return key;
        }
        let (key, route) = if self.names.len() < self.settings.max_endpoints {
            (key, route)
        } else {
            self.overflow += 1;
            (self.key(r, method, UNMATCHED), UNMATCHED)
        };
        let service = String::from_utf8_lossy(member.text(r.service_text)).into_owned();
        let name = format!(
            "{} {} {route}",
            if service.is_empty() {
                "unknown_service"
            } else {
                &service
            },
            self.method_name(method)
        );
        self.names.entry(key).or_insert(name);
        key
    }

    fn key(&self, r: &Record, method: usize, route: &str) -> u64 {
        hash::mix(
            hash::mix(
                r.service,
                self.hasher.text(self.method_name(method).as_bytes()),
            ),
            self.hasher.text(route.as_bytes()),
        )
    }
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
