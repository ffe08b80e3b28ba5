//! Templates learned from paths that succeeded, service by service, where no route is given.

mod keep;

pub use keep::Copying;

use super::endpoints::Route;
use super::template::{self, Template};
use super::tree::{NODE, Tree, Words};
use crate::hash::{Hasher, IdMap};
use std::sync::Arc;

/// Levels collapse and templates leave only when stream time passes a multiple of this (ns), never inside a batch alone.
pub const TICK: i64 = 10_000_000_000;
/// A deeper path has no template.
const DEPTH: usize = 32;
/// What a template costs beside its text, in bytes.
const KNOWN: usize = 200;

/// Caps of what is learned.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Templates a service.
    pub templates: usize,
    /// Bytes of all services.
    pub bytes: usize,
}

/// A template that succeeded, with the methods that did (a bit each) and when it last did.
#[derive(Debug)]
struct Known {
    route: Arc<Route>,
    methods: u32,
    last: i64,
}

#[derive(Debug, Default)]
struct Service {
    tree: Tree,
    known: IdMap<u64, Known>,
    grown: bool,
    bytes: usize,
}

/// A template that became part of another: the endpoints of these methods go by the new one.
#[derive(Debug)]
pub struct Merged {
    /// Id of the service.
    pub service: u64,
    /// A bit for each method.
    pub methods: u32,
    /// The template that was.
    pub old: Arc<Route>,
    /// The template that it is now.
    pub new: Arc<Route>,
}

/// One request without a route.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Id of the service.
    pub service: u64,
    /// Number of the method, below 32.
    pub method: usize,
    /// The path.
    pub path: &'a str,
    /// Whether it may teach: it succeeded, and in time.
    pub teaches: bool,
    /// Stream time, ns.
    pub now: i64,
}

/// All services.
#[derive(Debug)]
pub struct Learned {
    services: IdMap<u64, Service>,
    literal: Words,
    hasher: Hasher,
    limits: Limits,
    bytes: usize,
    /// Templates that left for want of room.
    pub evicted: u64,
}

impl Learned {
    /// Nothing learned; `literal` words are never variables.
    pub fn new(literal: Words, limits: Limits, hasher: Hasher) -> Self {
        Self {
            services: IdMap::default(),
            literal,
            hasher,
            limits,
            bytes: 0,
            evicted: 0,
        }
    }

    /// The template of a path, new ones only from what teaches; `make` completes it.
    pub fn find(
        &mut self,
        asked: Asked<'_>,
        make: impl Fn(Template) -> Route,
    ) -> Option<Arc<Route>> {
        let may_begin = asked.teaches && self.bytes < self.limits.bytes;
        if !may_begin && !self.services.contains_key(&asked.service) {
            return None;
        }
        let service = Self::service(&mut self.services, &mut self.bytes, asked.service);
        let segments = template::segments(asked.path);
        let resolved = service.tree.resolve(segments, &self.literal)?;
        let text = template::joined(&resolved);
        let key = self.hasher.text(text.as_bytes());
        let method = 1_u32 << (asked.method & 31);
        if let Some(known) = service.known.get_mut(&key) {
            if asked.teaches {
                known.methods |= method;
                known.last = known.last.max(asked.now);
                service.tree.add(&resolved);
            }
            return (known.methods & method != 0).then(|| known.route.clone());
        }
        let room = service.known.len() < self.limits.templates && self.bytes < self.limits.bytes;
        if !asked.teaches || !room || resolved.len() > DEPTH {
            return None;
        }
        let bytes = KNOWN + text.len() + service.tree.add(&resolved);
        let route = Arc::new(make(template::of_segments(&resolved)));
        let last = asked.now;
        let known = Known {
            route: route.clone(),
            methods: method,
            last,
        };
        service.known.insert(key, known);
        service.grown = true;
        service.bytes += bytes;
        self.bytes += bytes;
        Some(route)
    }

    /// A service, made when it is new.
    fn service<'a>(
        services: &'a mut IdMap<u64, Service>,
        bytes: &mut usize,
        id: u64,
    ) -> &'a mut Service {
        services.entry(id).or_insert_with(|| {
            *bytes += NODE;
            Service {
                bytes: NODE,
                ..Service::default()
            }
        })
    }

    /// Collapses what is ripe and makes room; what was merged, in a fixed order.
    pub fn tick(&mut self, make: impl Fn(Template) -> Route) -> Vec<Merged> {
        let mut merged = Vec::new();
        let mut ids: Vec<u64> = self.services.keys().copied().collect();
        ids.sort_unstable();
        for id in &ids {
            let Some(service) = self.services.get_mut(id).filter(|service| service.grown) else {
                continue;
            };
            service.grown = false;
            if service.tree.collapse(&self.literal) {
                service.respell(*id, &self.literal, &self.hasher, &make, &mut merged);
            }
            if service.known.len() >= self.limits.templates {
                self.evicted += service.forget();
            }
            service.bytes = service.measure();
        }
        self.fit(ids);
        merged
    }

    /// Over the cap of bytes the largest service forgets a quarter, as often as need be.
    fn fit(&mut self, ids: Vec<u64>) {
        loop {
            self.bytes = self.services.values().map(|service| service.bytes).sum();
            let largest = ids
                .iter()
                .filter_map(|id| Some((self.services.get(id)?.bytes, *id)))
                .max();
            let Some((_, id)) = largest.filter(|_| self.bytes >= self.limits.bytes) else {
                return;
            };
            let Some(service) = self.services.get_mut(&id) else {
                return;
            };
            self.evicted += service.forget();
            service.bytes = service.measure();
            if service.known.is_empty() {
                self.services.remove(&id);
            }
        }
    }

    /// Templates of all services.
    pub fn len(&self) -> usize {
        self.services
            .values()
            .map(|service| service.known.len())
            .sum()
    }

    /// Whether nothing is learned.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// Bytes held, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Service {
    /// Reads every template anew from the tree; those that read otherwise become part of what they read.
    fn respell(
        &mut self,
        id: u64,
        literal: &Words,
        hasher: &Hasher,
        make: &impl Fn(Template) -> Route,
        merged: &mut Vec<Merged>,
    ) {
        let mut all: Vec<(u64, Known)> = std::mem::take(&mut self.known).into_iter().collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        for (old_key, was) in all {
            let resolved = self
                .tree
                .resolve(template::segments(was.route.text()), literal);
            let Some(resolved) = resolved else { continue };
            let key = hasher.text(template::joined(&resolved).as_bytes());
            let now = self.known.entry(key).or_insert_with(|| Known {
                route: if key == old_key {
                    was.route.clone()
                } else {
                    Arc::new(make(template::of_segments(&resolved)))
                },
                methods: 0,
                last: was.last,
            });
            now.methods |= was.methods;
            now.last = now.last.max(was.last);
            if key != old_key {
                merged.push(Merged {
                    service: id,
                    methods: was.methods,
                    old: was.route,
                    new: now.route.clone(),
                });
            }
        }
    }

    /// Forgets the quarter that succeeded longest ago; how many.
    fn forget(&mut self) -> u64 {
        let mut all: Vec<(i64, u64)> = self
            .known
            .iter()
            .map(|(key, known)| (known.last, *key))
            .collect();
        all.sort_unstable();
        all.truncate(all.len().div_ceil(4));
        for (_, key) in &all {
            if let Some(known) = self.known.remove(key) {
                let segments: Vec<&str> = template::segments(known.route.text()).collect();
                self.tree.remove(&segments);
            }
        }
        all.len() as u64
    }

    fn measure(&self) -> usize {
        let texts = self
            .known
            .values()
            .map(|known| KNOWN + known.route.text().len());
        self.tree.bytes() + texts.sum::<usize>()
    }
}
