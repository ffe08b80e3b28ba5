//! Why a request is unusual: what was seen, where, and how often it was so. Never the value.

use super::items::Place;
use super::param::{self, Feature};
use super::{Item, Payload, Scored, cells};
use crate::codec::{Reason, Record};
use crate::text::classes::{FIRST_MARK, MARKS};

impl Payload {
    pub(super) fn reason(&self, r: &Record, scored: &Scored) -> Reason {
        let parts = [
            scored.item,
            scored.path,
            scored.names.names,
            scored.names.doubled,
        ];
        Reason {
            parts,
            ..self.worst(r, scored)
        }
    }

    fn worst(&self, r: &Record, scored: &Scored) -> Reason {
        let said = &scored.names;
        let most = scored
            .item
            .max(scored.path)
            .max(said.names)
            .max(said.doubled);
        let worst = self.items.iter().max_by(|a, b| a.total.total_cmp(&b.total));
        match worst {
            Some(item) if most == scored.item => self.of_item(item),
            _ if most == scored.path => plain("path", String::new()),
            _ => self.of_names(r, scored),
        }
    }

    fn of_names(&self, r: &Record, scored: &Scored) -> Reason {
        let n = f64::from(super::names::counts(cells(&self.names.table, r.endpoint)).0);
        let said = &scored.names;
        let parameters = self
            .items
            .iter()
            .filter(|item| item.place == Place::Parameter);
        let is_new = |item: &&Item| said.new == Some(super::names::name(item.id));
        let new = parameters.clone().find(is_new);
        let name = |item: &Item| String::from_utf8_lossy(&item.name).into_owned();
        let counted = |feature, name, seen, of| Reason {
            seen,
            of,
            ..plain(feature, name)
        };
        if said.doubled > said.names {
            return counted("doubled", String::new(), 0.0, n);
        }
        match (said.missing, new) {
            (Some((_, with, n)), _) => {
                counted("missing", String::new(), f64::from(with), f64::from(n))
            }
            (None, Some(item)) => counted("name", name(item), 0.0, n),
            _ => counted("names", String::new(), 0.0, n),
        }
    }

    fn of_item(&self, item: &Item) -> Reason {
        let known = cells(&self.params.table, item.keys[0]);
        let (seen, of) = param::seen(known, &item.value, &item.terms);
        let feature = item.terms.feature();
        Reason {
            feature: match feature {
                Feature::Shape => "shape",
                Feature::Chars => "chars",
                Feature::Length => "length",
                Feature::Syntax => "syntax",
            },
            place: match item.place {
                Place::Parameter => "parameter",
                Place::Segment => "segment",
                Place::Name => "name",
                Place::Header => "header",
            },
            name: String::from_utf8_lossy(&item.name).into_owned(),
            word: match feature {
                Feature::Chars => class(item.terms.class),
                Feature::Syntax => self.family(item.value.family).to_owned(),
                _ => String::new(),
            },
            lacks: item.terms.lacks,
            seen,
            of,
            length: length(item.value.length),
            parts: [0.0; 4],
        }
    }
}

fn plain(feature: &'static str, name: String) -> Reason {
    Reason {
        feature,
        place: "",
        name,
        word: String::new(),
        lacks: false,
        seen: 0.0,
        of: 0.0,
        length: 0,
        parts: [0.0; 4],
    }
}

fn class(class: u8) -> String {
    let words = [
        "NUL",
        "line breaks",
        "tabs",
        "control characters",
        "characters beyond ASCII",
        "broken UTF-8",
        "UTF-8",
        "characters encoded twice",
        "%u escapes",
    ];
    match usize::from(class) {
        0 => "small letters".into(),
        1 => "capital letters".into(),
        2 => "digits".into(),
        3 => "spaces".into(),
        at if at < FIRST_MARK + MARKS.len() => char::from(MARKS[at - FIRST_MARK]).to_string(),
        at => words
            .get(at - FIRST_MARK - MARKS.len())
            .copied()
            .unwrap_or_default()
            .into(),
    }
}

/// The shortest text of a bucket.
fn length(bucket: u8) -> u32 {
    match bucket {
        0..=16 => u32::from(bucket),
        more => (16.0 * 2_f64.powf(f64::from(more - 17) / 2.0)) as u32 + 1,
    }
}
