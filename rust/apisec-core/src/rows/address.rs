//! Client addresses: parsing, trusted networks, and the right-to-left walk through X-Forwarded-For.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: u128,
    mask: u128,
}

impl Network {
    /// Parses `10.0.0.0/8`, `fc00::/7` or a single address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text
            .split_once('/')
            .map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.trim().parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(width), |b| {
            b.trim().parse::<u32>().ok().filter(|b| *b <= width)
        })?;
        let mask = high_bits(bits + 128 - width);
        Some(Self {
            base: wide(address) & mask,
            mask,
        })
    }

    /// Whether the address lies inside.
    pub fn contains(&self, address: IpAddr) -> bool {
        wide(address) & self.mask == self.base
    }
}

fn high_bits(bits: u32) -> u128 {
    if bits == 0 {
        0
    } else {
        u128::MAX << (128 - bits)
    }
}

/// Every address as IPv6, IPv4 mapped: one comparison for both families.
fn wide(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// Parses an address as instrumentation and proxies write it: with a port, in brackets, quoted, with a zone.
pub fn parse(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(unmapped(address));
    }
    let text = text.trim().trim_matches('"');
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None if text.matches(':').count() == 1 => text.split(':').next()?,
        None => text,
    };
    let address: IpAddr = bare.split('%').next()?.parse().ok()?;
    Some(unmapped(address))
}

fn unmapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// The network that an address belongs to for counting: its /24 or /64.
pub fn neighbourhood(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from(u32::from(v4) & 0xFFFF_FF00)),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & high_bits(64))),
    }
}

/// The last address of an X-Forwarded-For list that is not a trusted proxy; None when an entry is unreadable first.
///
/// Entries left of the first untrusted one are the caller's own claim and are never read.
pub fn walk(forwarded: &str, trusted: &[Network]) -> Option<IpAddr> {
    let mut leftmost = None;
    for entry in forwarded.rsplit(',') {
        let address = parse(entry)?;
        if !is_trusted(address, trusted) {
            return Some(address);
        }
        leftmost = Some(address);
    }
    leftmost
}

/// Whether an address is one of the trusted proxies.
pub fn is_trusted(address: IpAddr, trusted: &[Network]) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Vec<Network> {
        texts.iter().filter_map(|t| Network::parse(t)).collect()
    }

    #[test]
    fn reads_addresses_with_ports_brackets_and_zones() {
        for (text, want) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:4711", "203.0.113.7"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("fe80::1%eth0", "fe80::1"),
        ] {
            assert_eq!(parse(text), want.parse().ok(), "{text}");
        }
        assert_eq!(parse("unknown"), None);
    }

    #[test]
    fn walks_from_the_right_and_never_reads_the_callers_claim() {
        let trusted = networks(&["10.0.0.0/8"]);
        assert_eq!(
            walk("1.2.3.4, 203.0.113.9, 10.0.0.2", &trusted),
            "203.0.113.9".parse().ok()
        );
        assert_eq!(
            walk("garbage, 203.0.113.9", &trusted),
            "203.0.113.9".parse().ok()
        );
        assert_eq!(walk("203.0.113.9, garbage", &trusted), None);
        assert_eq!(
            walk("10.0.0.3, 10.0.0.2", &trusted),
            "10.0.0.3".parse().ok()
        );
    }

    #[test]
    fn masks_to_the_neighbourhood() {
        assert_eq!(
            Some(neighbourhood([203, 0, 113, 77].into())),
            "203.0.113.0".parse().ok()
        );
        assert!(
            networks(&["2001:db8::/32"])[0].contains(
                "2001:db8:1::5"
                    .parse::<IpAddr>()
                    .unwrap_or([0, 0, 0, 0].into())
            )
        );
        assert_eq!(Network::parse("10.0.0.0/33"), None);
    }
}
