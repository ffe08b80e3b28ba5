//! Two halves of a call as one request: what the application did not say is taken from its gateway.

use super::packed::moved;
use crate::codec::{ANONYMOUS, JOINED, Member, PROXIED, Record, WIDE};

/// The application's request with what it lacks, and its texts.
pub fn filled(
    (app, told): (&Record, &Member),
    (gateway, there): (&Record, &Member),
) -> (Record, Member) {
    let (mut row, mut front, mut member) = (*app, *gateway, Member::empty());
    let made = moved(&mut row, |slice| told.text(slice), Vec::new());
    member.made = moved(&mut front, |slice| there.text(slice), made);
    fill(&mut row, &front);
    row.marks |= JOINED;
    (row, member)
}

/// Names once what is simply taken where it is missing.
macro_rules! lacking {
    ($row:ident, $front:ident; $($key:ident)*; $($number:ident)*) => {
        $(if $row.$key == 0 {
            $row.$key = $front.$key;
        })*
        $(if $row.$number.is_nan() {
            $row.$number = $front.$number;
        })*
    };
}

fn fill(row: &mut Record, front: &Record) {
    if row.user_agent == 0 {
        row.agent_text = front.agent_text;
    }
    let nobody = row.principal == 0;
    lacking!(row, front; scheme host query user_agent credential principal role; request_size response_size);
    for (mine, told) in row.custom.iter_mut().zip(front.custom) {
        *mine = if *mine == 0 { told } else { *mine };
    }
    outcome(row, front);
    let moved = client(row, front);
    let known = nobody && row.principal != 0;
    if known {
        row.authenticated = 1;
    }
    let anonymous = row.session == 0 || row.marks & ANONYMOUS != 0;
    if anonymous && (moved || known) && front.session != 0 {
        row.session = front.session;
        row.marks = row.marks & !ANONYMOUS | front.marks & ANONYMOUS;
    }
}

fn outcome(row: &mut Record, front: &Record) {
    if row.status.is_nan() {
        row.status = front.status;
        (row.succeeded, row.denied) = (front.succeeded, front.denied);
        (row.not_found, row.failed) = (front.not_found, front.failed);
    }
}

/// Whether the client is now the one that the gateway saw: the application knew none, or only a proxy.
fn client(row: &mut Record, front: &Record) -> bool {
    let proxied = row.marks & PROXIED != 0 && front.marks & PROXIED == 0;
    if front.client == 0 || !(row.client == 0 || proxied) {
        return false;
    }
    (row.client, row.network) = (front.client, front.network);
    (row.client_text, row.peer_text) = (front.client_text, front.peer_text);
    row.marks = row.marks & !(PROXIED | WIDE) | front.marks & (PROXIED | WIDE);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Slice;

    fn member(text: &str) -> (Slice, Member) {
        let mut member = Member::empty();
        member.made = text.as_bytes().to_vec();
        let len = text.len() as u32;
        (Slice { at: 0, len }, member)
    }

    #[test]
    fn what_is_missing_is_taken_and_what_is_there_stays() {
        let (agent_text, app_texts) = member("own/1.0");
        let app = Record {
            user_agent: 1,
            agent_text,
            status: 200.0,
            succeeded: 1,
            session: 5,
            endpoint: 9,
            ..Record::default()
        };
        let (client_text, gateway_texts) = member("203.0.113.7");
        let gateway = Record {
            user_agent: 2,
            client: 7,
            network: 8,
            client_text,
            status: 502.0,
            failed: 1,
            query: 4,
            session: 6,
            endpoint: 10,
            ..Record::default()
        };
        let (row, texts) = filled((&app, &app_texts), (&gateway, &gateway_texts));
        assert_eq!(
            (row.user_agent, row.client, row.network, row.query),
            (1, 7, 8, 4)
        );
        assert_eq!((row.status, row.succeeded, row.failed), (200.0, 1, 0));
        assert_eq!(
            (row.session, row.endpoint),
            (5, 9),
            "its session is nobody's client"
        );
        assert_eq!(texts.text(row.client_text), b"203.0.113.7");
        assert_eq!(texts.text(row.agent_text), b"own/1.0");
        assert_ne!(row.marks & JOINED, 0);
    }

    #[test]
    fn the_address_of_a_proxy_gives_way_and_the_session_with_it() {
        let app = Record {
            client: 1,
            session: 5,
            marks: PROXIED | ANONYMOUS,
            ..Record::default()
        };
        let gateway = Record {
            client: 7,
            session: 6,
            marks: ANONYMOUS,
            ..Record::default()
        };
        let none = Member::empty();
        let (row, _) = filled((&app, &none), (&gateway, &none));
        assert_eq!((row.client, row.session), (7, 6));
        let known = Record {
            principal: 3,
            marks: PROXIED,
            ..app
        };
        let (row, _) = filled((&known, &none), (&gateway, &none));
        assert_eq!(
            (row.client, row.session),
            (7, 5),
            "a principal's session stays"
        );
    }
}
