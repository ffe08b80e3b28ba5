//! How much of a service's calls another service tells of as well.

use crate::hash::IdMap;

/// A service is a gateway from this many calls on.
const LEAST: u32 = 8;
/// From this many calls on it is known of a service that its calls are its own.
const KNOWN: u32 = 256;
/// Counts are halved at this many: services change.
const WINDOW: u32 = 1_024;
/// Most services whose calls are counted.
const SERVICES: usize = 4_096;

/// Calls that were told of by another service too, and those that were not.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    pub met: u32,
    pub alone: u32,
}

impl Share {
    fn count(&mut self, met: bool) {
        self.met += u32::from(met);
        self.alone += u32::from(!met);
        if self.met + self.alone >= WINDOW {
            (self.met, self.alone) = (self.met / 2, self.alone / 2);
        }
    }

    fn is_most(self) -> bool {
        self.met >= LEAST && self.met > self.alone
    }

    fn is_rare(self) -> bool {
        self.met + self.alone >= KNOWN && self.met.saturating_mul(8) < self.alone
    }
}

/// What is known of a service.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// Whether configuration names it; not known of one that comes from a snapshot, until it is met.
    pub named: Option<bool>,
    /// Its spans as fronts of other services'.
    pub front: Share,
    /// Its spans behind other services'.
    pub behind: Share,
}

impl Service {
    /// Whether a call of it may have another half.
    pub fn may_share(self) -> bool {
        self.named == Some(true) || !self.front.is_rare() || !self.behind.is_rare()
    }
}

/// The services met, up to a limit; of one beyond it nothing is known.
#[derive(Debug)]
pub struct Shares {
    names: Vec<String>,
    pub services: IdMap<u64, Service>,
}

impl Shares {
    pub fn new(names: &[String]) -> Self {
        Self {
            names: names.to_vec(),
            services: IdMap::default(),
        }
    }

    /// The service of this id, whose name is asked for at first sight.
    pub fn of(&mut self, id: u64, name: &[u8]) -> Service {
        let known = self.services.get(&id).copied().unwrap_or_default();
        if known.named.is_some() {
            return known;
        }
        let service = Service {
            named: Some(self.names.iter().any(|named| named.as_bytes() == name)),
            ..known
        };
        if self.services.len() < SERVICES {
            self.services.insert(id, service);
        }
        service
    }

    /// Takes up what was known of a service.
    pub fn take(&mut self, id: u64, front: Share, behind: Share) {
        if self.services.len() < SERVICES {
            let named = None;
            self.services.insert(
                id,
                Service {
                    named,
                    front,
                    behind,
                },
            );
        }
    }

    pub fn is_gateway(&self, id: u64) -> bool {
        let service = self.services.get(&id);
        service.is_some_and(|service| service.named == Some(true) || service.front.is_most())
    }

    pub fn count_front(&mut self, id: u64, met: bool) {
        if let Some(service) = self.services.get_mut(&id) {
            service.front.count(met);
        }
    }

    pub fn count_behind(&mut self, id: u64, met: bool) {
        if let Some(service) = self.services.get_mut(&id) {
            service.behind.count(met);
        }
    }
}
