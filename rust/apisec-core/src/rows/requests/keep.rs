//! Stream time, the memory of requests and the halves of calls. Kept after everything that counts requests: what is counted is seen.

use super::Requests;
use crate::error::Result;
use crate::rows::calls::keep as calls;
use crate::snapshot::{Keeps, Sink, Source};

const TIME: u64 = 0;
const SEEN: u64 = 1;
const CALLS: u64 = 2;

/// How far a copy has come.
#[derive(Debug)]
pub struct Copying {
    calls: calls::Copying,
    next: u64,
    end: u64,
    done: bool,
}

impl Keeps for Requests {
    const LAYOUT: u64 = 2;
    type Copying = Copying;

    fn start(&self) -> Copying {
        Copying {
            calls: self.calls.start(),
            next: self.retries.oldest(),
            end: self.retries.newest(),
            done: false,
        }
    }

    fn copy(&self, at: &mut Copying, to: &mut Sink) -> bool {
        if at.done {
            return false;
        }
        if !at.calls.is_over() {
            to.number(CALLS);
            self.calls.copy(&mut at.calls, to);
            return true;
        }
        at.next = at.next.max(self.retries.oldest());
        if at.next < at.end {
            to.number(SEEN);
            self.retries.copy(&mut at.next, at.end, to);
            return true;
        }
        at.done = true;
        let (now, leap) = self.stream.saved();
        to.number(TIME);
        to.signed(now);
        to.number(u64::from(leap.is_some()));
        to.signed(leap.unwrap_or_default());
        true
    }

    fn load(&mut self, from: &mut Source<'_>) -> Result<()> {
        match from.number()? {
            SEEN => self.retries.load(from),
            CALLS => self.calls.load(from),
            TIME => {
                let (now, any, leap) = (from.signed()?, from.number()?, from.signed()?);
                self.stream.restore((now, (any != 0).then_some(leap)));
                Ok(())
            }
            _ => Err(from.bad("neither time nor requests nor calls")),
        }
    }
}
