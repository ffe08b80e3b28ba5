//! What was learned of paths, piece by piece. Words seen a few times only stay out: they are learned again as soon.

use super::{KNOWN, Known, Learned};
use crate::error::Result;
use crate::rows::endpoints::Route;
use crate::rows::template::{self, Template};
use crate::snapshot::{Sink, Source};
use std::sync::Arc;

/// How far a copy has come: services to go, and what of the first one was copied.
#[derive(Debug)]
pub struct Copying {
    services: Vec<u64>,
    nodes: usize,
}

/// Nodes of a shard at most.
const NODES: usize = 1_024;
/// A word is kept once it was seen more often.
const SEEN: u64 = 3;

impl Learned {
    /// Begins a copy.
    pub fn start(&self) -> Copying {
        let mut services: Vec<u64> = self.services.keys().copied().collect();
        services.sort_unstable();
        Copying { services, nodes: 0 }
    }

    /// Copies the next levels of a service, or its templates once they are through; false when nothing is left.
    pub fn copy(&self, at: &mut Copying, to: &mut Sink) -> bool {
        let Some((&id, service)) = at
            .services
            .last()
            .and_then(|id| Some((id, self.services.get(id)?)))
        else {
            return at.services.pop().is_some() && self.copy(at, to);
        };
        to.number(id);
        let nodes = service.tree.nodes(SEEN);
        let next = nodes.get(at.nodes..).unwrap_or_default();
        to.number(u64::from(!next.is_empty()));
        for node in next.iter().take(NODES) {
            to.text(&template::joined(&node.path));
            to.words(&[node.hits, u64::from(node.collapsed), u64::from(node.ends)]);
        }
        at.nodes += NODES;
        if next.is_empty() {
            for known in service.known.values() {
                let segments: Vec<&str> = template::segments(known.route.text()).collect();
                if service.tree.is_kept(&segments, SEEN) {
                    to.text(known.route.text());
                    to.number(u64::from(known.methods));
                    to.signed(known.last);
                }
            }
            at.services.pop();
            at.nodes = 0;
        }
        true
    }

    /// Takes up a shard; what would be over a cap is left out.
    ///
    /// # Errors
    /// It is not what `copy` writes.
    pub fn load(&mut self, from: &mut Source<'_>, make: impl Fn(Template) -> Route) -> Result<()> {
        let id = from.number()?;
        let are_nodes = from.number()? == 1;
        while !from.is_empty() {
            let text = from.text()?;
            let segments: Vec<&str> = template::segments(text).collect();
            let service = self.services.entry(id).or_default();
            if are_nodes {
                let words = from.words(3)?;
                let room = self.bytes < self.limits.bytes && segments.len() <= super::DEPTH;
                if let (true, &[hits, collapsed, ends]) = (room, words.as_slice()) {
                    let grown = service.tree.put(&segments, hits, collapsed == 1, ends == 1);
                    service.bytes += grown;
                    self.bytes += grown;
                }
                continue;
            }
            let (methods, last) = (from.number()? as u32, from.signed()?);
            if service.known.len() < self.limits.templates && self.bytes < self.limits.bytes {
                let route = Arc::new(make(template::of_segments(&segments)));
                let key = self.hasher.text(route.text().as_bytes());
                service.bytes += KNOWN + text.len();
                self.bytes += KNOWN + text.len();
                service.grown = true;
                service.known.insert(
                    key,
                    Known {
                        route,
                        methods,
                        last,
                    },
                );
            }
        }
        Ok(())
    }
}
