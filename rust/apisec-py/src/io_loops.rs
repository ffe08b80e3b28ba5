//! How much of a batch the backend has already, and what is withheld of it while delivered spans come back.

use apisec_core::{
    codec::{identities, without},
    hash::Hasher,
};
use apisec_io::{counters::Key, export::Exporter, merge::Outgoing, otlp::Signal, reply::Reply};

/// Spans looked at (a sample, unless some may be withheld), those of them that came back, and those withheld.
pub type Counts = (usize, usize, usize);

/// Counts, and withholds nothing.
pub fn watch(exporter: &Exporter, batch: &[Outgoing]) -> Counts {
    if !exporter.delivered().is_on() {
        return (0, 0, 0);
    }
    exporter.delivered().again();
    batch
        .iter()
        .fold((0, 0, 0), |(looked, known, _), outgoing| {
            let sample = outgoing.request.identities();
            let again = exporter.delivered().count(&sample, outgoing.request.whom());
            (looked + sample.len(), known + again, 0)
        })
}

/// What is left to be sent: spans that were delivered before are answered with success and left out, one by one.
pub fn sift(exporter: &Exporter, hasher: &Hasher, batch: Vec<Outgoing>) -> (Vec<Outgoing>, Counts) {
    let (mut looked, mut known) = (0, 0);
    let left = batch.into_iter().filter_map(|outgoing| {
        let (rest, spans, again) = sifted(exporter, hasher, outgoing);
        (looked, known) = (looked + spans, known + again);
        rest
    });
    let left = left.collect();
    count(exporter, known);
    (left, (looked, known + exporter.delivered().again(), known))
}

/// What is left of a request, its spans, and how many of them are withheld. All its spans are to be known again, not a sample.
fn sifted(
    exporter: &Exporter,
    hasher: &Hasher,
    mut outgoing: Outgoing,
) -> (Option<Outgoing>, usize, usize) {
    let payload = outgoing.payload.clone().unwrap_or_default();
    let Ok(all) = identities(&payload, hasher) else {
        return (Some(outgoing), 0, 0);
    };
    let known = exporter.delivered().known(&all, outgoing.request.whom());
    let again = known.iter().filter(|it| **it).count();
    if again > 0 && again == known.len() {
        outgoing.request.answer(Reply::Accepted);
        return (None, known.len(), again);
    }
    let sent = all.iter().zip(&known).filter(|(_, known)| !**known);
    let sent = sent.map(|(identity, _)| *identity).collect();
    outgoing.request.identify(sent);
    if again == 0 {
        return (Some(outgoing), known.len(), 0);
    }
    let Ok(rest) = without(&payload, &known) else {
        return (Some(outgoing), known.len(), 0);
    };
    outgoing.withheld = u32::try_from(again).unwrap_or_default();
    outgoing.payload = Some(rest);
    outgoing.same = false;
    (Some(outgoing), known.len(), again)
}

fn count(exporter: &Exporter, withheld: usize) {
    let key = Key {
        name: "exporter_withheld_items",
        owner: exporter.name().clone(),
        transport: "",
        signal: Signal::Traces.name(),
        reason: "",
    };
    exporter.core().counters.add(key, withheld as u64);
}
