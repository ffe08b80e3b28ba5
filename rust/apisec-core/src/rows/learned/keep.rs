//! What was learned of paths, piece by piece: every level of a tree, rare words too, or levels would become variables later.

use super::{KNOWN, Known, Learned, Service};
use crate::error::Result;
use crate::rows::endpoints::Route;
use crate::rows::template::{self, Template};
use crate::rows::tree::Node;
use crate::snapshot::{Sink, Source};
use std::sync::Arc;

/// How far a copy has come: services to go, and what is next of the first one.
#[derive(Debug)]
pub struct Copying {
    services: Vec<u64>,
    next: Next,
}

#[derive(Debug)]
enum Next {
    /// The levels behind one, or all.
    Levels(Option<Vec<Box<str>>>),
    Templates,
}

/// Levels of a shard at most: each is some reads that may have to wait for memory.
const NODES: usize = 1_024;

impl Learned {
    /// Begins a copy.
    pub fn start(&self) -> Copying {
        let mut services: Vec<u64> = self.services.keys().copied().collect();
        services.sort_unstable();
        Copying {
            services,
            next: Next::Levels(None),
        }
    }

    /// Copies the next levels of a service, or its templates once they are through; false when nothing is left.
    pub fn copy(&self, at: &mut Copying, to: &mut Sink) -> bool {
        let Some((&id, service)) = at
            .services
            .last()
            .and_then(|id| Some((id, self.services.get(id)?)))
        else {
            at.next = Next::Levels(None);
            return at.services.pop().is_some() && self.copy(at, to);
        };
        to.number(id);
        if let Next::Levels(after) = &at.next {
            to.number(1);
            at.next = service.levels(after.as_deref(), to);
        } else {
            to.number(0);
            service.templates(to);
            at.services.pop();
            at.next = Next::Levels(None);
        }
        true
    }

    /// Takes up a shard; what would be over a cap is left out.
    ///
    /// # Errors
    /// It is not what `copy` writes.
    pub fn load(&mut self, from: &mut Source<'_>, make: impl Fn(Template) -> Route) -> Result<()> {
        let id = from.number()?;
        let are_levels = from.number()? == 1;
        if !are_levels {
            let grown = from.number()? == 1;
            let service = Self::service(&mut self.services, &mut self.bytes, id);
            service.grown |= grown;
        }
        while !from.is_empty() {
            let text = from.text()?;
            let segments: Vec<&str> = template::segments(text).collect();
            let service = Self::service(&mut self.services, &mut self.bytes, id);
            if are_levels {
                let words = from.words(3)?;
                let room = self.bytes < self.limits.bytes && segments.len() <= super::DEPTH;
                if let (true, &[hits, collapsed, ends]) = (room, words.as_slice()) {
                    let node = Node {
                        hits,
                        collapsed: collapsed == 1,
                        ends: ends == 1,
                    };
                    let grown = service.tree.put(&segments, node);
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

impl Service {
    /// Writes the levels behind one; what is next.
    fn levels(&self, after: Option<&[Box<str>]>, to: &mut Sink) -> Next {
        let (mut next, mut written) = (Next::Templates, 0);
        self.tree.walk(&mut Vec::new(), after, &mut |path, node| {
            to.text(&template::joined(path));
            to.words(&[node.hits, u64::from(node.collapsed), u64::from(node.ends)]);
            written += 1;
            let enough = written == NODES || to.is_full();
            if enough {
                next = Next::Levels(Some(path.iter().map(|&word| word.into()).collect()));
            }
            enough
        });
        next
    }

    fn templates(&self, to: &mut Sink) {
        to.number(u64::from(self.grown));
        for known in self.known.values() {
            to.text(known.route.text());
            to.number(u64::from(known.methods));
            to.signed(known.last);
        }
    }
}
