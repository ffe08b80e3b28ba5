//! What is known of a kept span: one fixed record, a row of the numpy columns.

use std::mem::{offset_of, size_of};

use crate::error::Result;
use crate::snapshot::{Sink, Source};
pub use crate::wire::Slice;

/// `Record::marks`: the span has a key with the reserved prefix.
pub const RESERVED: u32 = 1;
/// `Record::marks`: the span has a key under which it is recorded what was sent.
pub const SENDS: u32 = 2;
/// `Record::marks`: method or status is present.
pub const HTTP: u32 = 4;

/// `Record::marks`: the caller can take any address of his network (IPv6).
pub const WIDE: u32 = 8;
/// `Record::marks`: who is seen with whom has changed, or is due to be noted again.
pub const PAIRED: u32 = 16;

/// `Record::marks`: what a gateway says of a call, which waits for the application's half.
pub const WAITS: u32 = 32;
/// `Record::marks`: what a gateway says of a call that the application has told of.
pub const MERGED: u32 = 64;
/// `Record::marks`: the application's half of a call; its parent is the gateway's.
pub const JOINED: u32 = 128;
/// `Record::marks`: the caller is a trusted proxy that says of nobody for whom it asks.
pub const PROXIED: u32 = 256;
/// `Record::marks`: what a gateway says of a call that nobody else told of in time.
pub const ALONE: u32 = 1024;
/// `Record::marks`: the session is that of a client, nobody's in particular.
pub const ANONYMOUS: u32 = 512;

/// The marks that are read outside, by name.
pub const MARKS: [(&str, u32); 5] = [
    ("WIDE", WIDE),
    ("WAITS", WAITS),
    ("MERGED", MERGED),
    ("JOINED", JOINED),
    ("ALONE", ALONE),
];

/// Columns that configuration may name.
pub const CUSTOM: usize = 8;

/// A field as words of a snapshot.
trait Field: Sized {
    fn write(&self, to: &mut Sink);
    fn read(from: &mut Source<'_>) -> Result<Self>;
}

macro_rules! fields {
    ($($type:ty: $value:ident => $word:expr, $read:ident => $back:expr;)*) => {
        $(impl Field for $type {
            fn write(&self, to: &mut Sink) {
                let $value = *self;
                to.number($word);
            }
            fn read(from: &mut Source<'_>) -> Result<Self> {
                let $read = from.number()?;
                Ok($back)
            }
        })*
    };
}

fields! {
    u64: value => value, word => word;
    i64: value => value as u64, word => word as i64;
    f64: value => value.to_bits(), word => f64::from_bits(word);
    i8: value => value as u64, word => word as i8;
    u32: value => u64::from(value), word => word as u32;
    i32: value => value as u64, word => word as i32;
    [u8; 8]: value => u64::from_le_bytes(value), word => word.to_le_bytes();
    Slice: value => u64::from(value.at) << 32 | u64::from(value.len), word => Slice { at: (word >> 32) as u32, len: word as u32 };
}

impl Field for [u8; 16] {
    fn write(&self, to: &mut Sink) {
        let whole = u128::from_le_bytes(*self);
        to.words(&[whole as u64, (whole >> 64) as u64]);
    }

    fn read(from: &mut Source<'_>) -> Result<Self> {
        let (low, high) = (from.number()?, from.number()?);
        Ok((u128::from(high) << 64 | u128::from(low)).to_le_bytes())
    }
}

impl<const N: usize> Field for [i8; N] {
    fn write(&self, _: &mut Sink) {}

    fn read(_: &mut Source<'_>) -> Result<Self> {
        Ok([0; N])
    }
}

/// FNV-1a over names and formats.
const fn layout(mut texts: &[&str]) -> u64 {
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    while let Some((text, rest)) = texts.split_first() {
        let mut bytes = text.as_bytes();
        while let Some((byte, rest)) = bytes.split_first() {
            hash = (hash ^ *byte as u64).wrapping_mul(0x0100_0000_01B3);
            bytes = rest;
        }
        texts = rest;
    }
    hash
}

impl<const N: usize> Field for [u64; N] {
    fn write(&self, to: &mut Sink) {
        to.words(self);
    }

    fn read(from: &mut Source<'_>) -> Result<Self> {
        let mut words = [0; N];
        for word in &mut words {
            *word = from.number()?;
        }
        Ok(words)
    }
}

/// Declares [`Record`] together with the table of its fields, so that numpy's dtype cannot differ from it.
macro_rules! record {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $format:literal,)*) => {
        /// One kept span. Missing: key 0, number NaN, flag 0, text of length 0.
        #[repr(C)]
        #[derive(Clone, Copy, Debug)]
        #[allow(missing_docs)]
        pub struct Record { $($(#[$doc])* pub $name: $type,)* }

        /// Name, numpy format and offset of each field of [`Record`].
        pub const RECORD_FIELDS: &[(&str, &str, usize)] = &[$((stringify!($name), $format, offset_of!(Record, $name)),)*];

        impl Record {
            /// Changes when a field does.
            pub const LAYOUT: u64 = layout(&[$(stringify!($name), $format),*]);

            /// Writes all fields.
            pub fn write(&self, to: &mut Sink) {
                $(self.$name.write(to);)*
            }

            /// Reads what `write` wrote.
            ///
            /// # Errors
            /// The shard ends before.
            pub fn read(from: &mut Source<'_>) -> Result<Self> {
                Ok(Self { $($name: <$type>::read(from)?,)* })
            }
        }

        const NO_PADDING: () = assert!(size_of::<Record>() == 0 $(+ size_of::<$type>())*);
    };
}

record! {
    trace_id: [u8; 16] = "16u1",
    span_id: [u8; 8] = "8u1",
    parent_id: [u8; 8] = "8u1",
    /// Start, ns since 1970.
    start: u64 = "<u8",
    /// End, ns since 1970.
    end: u64 = "<u8",
    /// Row time, ns since 1970.
    time: i64 = "<i8",
    /// Stream time as of this row, ns since 1970.
    stream: i64 = "<i8",
    environment: u64 = "<u8",
    service: u64 = "<u8",
    version: u64 = "<u8",
    method: u64 = "<u8",
    scheme: u64 = "<u8",
    host: u64 = "<u8",
    path: u64 = "<u8",
    query: u64 = "<u8",
    route: u64 = "<u8",
    endpoint: u64 = "<u8",
    object_id: u64 = "<u8",
    client: u64 = "<u8",
    network: u64 = "<u8",
    user_agent: u64 = "<u8",
    credential: u64 = "<u8",
    principal: u64 = "<u8",
    session: u64 = "<u8",
    role: u64 = "<u8",
    error_type: u64 = "<u8",
    path_parent: u64 = "<u8",
    path_stem: u64 = "<u8",
    query_shape: u64 = "<u8",
    status: f64 = "<f8",
    /// Seconds.
    duration: f64 = "<f8",
    /// Bytes.
    request_size: f64 = "<f8",
    /// Bytes.
    response_size: f64 = "<f8",
    object_number: f64 = "<f8",
    /// How likely a request as unusual as this one is in what it says.
    payload_p: f64 = "<f8",
    /// How unusual it is, nats.
    payload_score: f64 = "<f8",
    /// What one in twenty of its endpoint is over, nats.
    payload_usual: f64 = "<f8",
    /// Columns that configuration names: an id, the bits of a number exclusive-or those of NaN, or 1 true and 2 false.
    custom: [u64; CUSTOM] = "8<u8",
    request: i8 = "i1",
    succeeded: i8 = "i1",
    denied: i8 = "i1",
    not_found: i8 = "i1",
    failed: i8 = "i1",
    login: i8 = "i1",
    login_failed: i8 = "i1",
    authenticated: i8 = "i1",
    probe: i8 = "i1",
    late: i8 = "i1",
    repeat: i8 = "i1",
    asset: i8 = "i1",
    automatic: i8 = "i1",
    nested: i8 = "i1",
    listed: i8 = "i1",
    spare: i8 = "i1",
    service_text: Slice = "2<u4",
    namespace_text: Slice = "2<u4",
    environment_text: Slice = "2<u4",
    version_text: Slice = "2<u4",
    method_text: Slice = "2<u4",
    scheme_text: Slice = "2<u4",
    host_text: Slice = "2<u4",
    path_text: Slice = "2<u4",
    query_text: Slice = "2<u4",
    route_text: Slice = "2<u4",
    rpc_text: Slice = "2<u4",
    client_text: Slice = "2<u4",
    peer_text: Slice = "2<u4",
    forwarded_text: Slice = "2<u4",
    agent_text: Slice = "2<u4",
    principal_text: Slice = "2<u4",
    session_text: Slice = "2<u4",
    credential_text: Slice = "2<u4",
    claim_text: Slice = "2<u4",
    role_text: Slice = "2<u4",
    error_text: Slice = "2<u4",
    name_text: Slice = "2<u4",
    scope_text: Slice = "2<u4",
    state_text: Slice = "2<u4",
    /// Index of the member in its batch.
    member: u32 = "<u4",
    /// Offset of the span's body.
    at: u32 = "<u4",
    /// Offset behind the span's body.
    end_at: u32 = "<u4",
    /// Offset of the length prefix of the span.
    span_prefix: u32 = "<u4",
    /// Offset of the length prefix of its ScopeSpans.
    scope_prefix: u32 = "<u4",
    /// Offset of the length prefix of its ResourceSpans.
    resource_prefix: u32 = "<u4",
    /// `SpanKind` as sent.
    kind: i32 = "<i4",
    /// [`RESERVED`], [`HTTP`], [`WIDE`], [`PAIRED`], [`WAITS`], [`MERGED`], [`JOINED`], [`PROXIED`], [`ALONE`],
    /// [`ANONYMOUS`].
    marks: u32 = "<u4",
}

const _: () = NO_PADDING;
const _: () = assert!(size_of::<Record>().is_multiple_of(8));

/// Names the text columns and their fields once.
macro_rules! texts {
    ($($variant:ident $name:literal $field:ident,)*) => {
        /// A column whose value is a text of the request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        #[allow(missing_docs)]
        pub enum Text { $($variant,)* }

        impl Text {
            /// All, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The column of this name, without `_text`.
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }

        impl Record {
            /// The slice of a text column.
            #[inline]
            pub fn text(&self, column: Text) -> Slice {
                match column { $(Text::$variant => self.$field,)* }
            }

            /// The slice of a text column, to be set.
            #[inline]
            pub fn text_mut(&mut self, column: Text) -> &mut Slice {
                match column { $(Text::$variant => &mut self.$field,)* }
            }
        }
    };
}

texts! {
    Service "service" service_text,
    Namespace "namespace" namespace_text,
    Environment "environment" environment_text,
    Version "version" version_text,
    Method "method" method_text,
    Scheme "scheme" scheme_text,
    Host "host" host_text,
    Path "path" path_text,
    Query "query" query_text,
    Route "route" route_text,
    Rpc "rpc" rpc_text,
    Client "client" client_text,
    Peer "peer" peer_text,
    Forwarded "forwarded" forwarded_text,
    Agent "agent" agent_text,
    User "user" principal_text,
    Session "session" session_text,
    Credential "credential" credential_text,
    Claim "claim" claim_text,
    Role "role" role_text,
    Error "error" error_text,
    Name "name" name_text,
    Scope "scope" scope_text,
    State "state" state_text,
}

impl Record {
    /// A custom column as an id; 0 when it is missing.
    #[inline]
    pub fn custom_id(&self, column: usize) -> u64 {
        self.custom.get(column).copied().unwrap_or_default()
    }

    /// A custom column as a number; NaN when it is missing.
    #[inline]
    pub fn custom_number(&self, column: usize) -> f64 {
        f64::from_bits(self.custom_id(column) ^ f64::NAN.to_bits())
    }

    /// A custom column as a condition.
    #[inline]
    pub fn custom_flag(&self, column: usize) -> i8 {
        match self.custom_id(column) {
            0 => 0,
            1 => 1,
            _ => -1,
        }
    }

    /// Where the caller is: its address, or the network where that may take any address; 0 when it is not known.
    #[inline]
    pub fn place(&self) -> u64 {
        if self.marks & WIDE == 0 {
            self.client
        } else {
            self.network
        }
    }

    /// A gateway's half of a call, which is not judged as it arrives.
    #[inline]
    pub fn is_set_back(&self) -> bool {
        self.marks & (WAITS | MERGED) != 0
    }

    /// A request that was not observed before.
    #[inline]
    pub fn is_new_request(&self) -> bool {
        self.request == 1 && self.repeat != 1
    }
}

impl Default for Record {
    fn default() -> Self {
        let none = Slice { at: 0, len: 0 };
        Self {
            trace_id: [0; 16],
            span_id: [0; 8],
            parent_id: [0; 8],
            start: 0,
            end: 0,
            time: 0,
            stream: 0,
            environment: 0,
            service: 0,
            version: 0,
            method: 0,
            scheme: 0,
            host: 0,
            path: 0,
            query: 0,
            route: 0,
            endpoint: 0,
            object_id: 0,
            client: 0,
            network: 0,
            user_agent: 0,
            credential: 0,
            principal: 0,
            session: 0,
            role: 0,
            error_type: 0,
            path_parent: 0,
            path_stem: 0,
            query_shape: 0,
            status: f64::NAN,
            duration: f64::NAN,
            request_size: f64::NAN,
            response_size: f64::NAN,
            object_number: f64::NAN,
            payload_p: f64::NAN,
            payload_score: f64::NAN,
            payload_usual: f64::NAN,
            custom: [0; CUSTOM],
            request: 0,
            succeeded: 0,
            denied: 0,
            not_found: 0,
            failed: 0,
            login: 0,
            login_failed: 0,
            authenticated: 0,
            probe: 0,
            late: 0,
            repeat: 0,
            asset: 0,
            automatic: 0,
            nested: 0,
            listed: 0,
            spare: 0,
            service_text: none,
            namespace_text: none,
            environment_text: none,
            version_text: none,
            method_text: none,
            scheme_text: none,
            host_text: none,
            path_text: none,
            query_text: none,
            route_text: none,
            rpc_text: none,
            client_text: none,
            peer_text: none,
            forwarded_text: none,
            agent_text: none,
            principal_text: none,
            session_text: none,
            credential_text: none,
            claim_text: none,
            role_text: none,
            error_text: none,
            name_text: none,
            scope_text: none,
            state_text: none,
            member: 0,
            at: 0,
            end_at: 0,
            span_prefix: 0,
            scope_prefix: 0,
            resource_prefix: 0,
            kind: 0,
            marks: 0,
        }
    }
}
