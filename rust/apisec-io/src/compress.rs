//! Content encodings, both ways, never beyond a cap.

use std::{cell::RefCell, io::Read};

use bytes::Bytes;
use libdeflater::{CompressionLvl, Compressor, DecompressionError, Decompressor};

use crate::reply::{Reason, Refusal};

/// An encoding of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// gzip, one member or several.
    Gzip,
    /// Zstandard.
    Zstd,
    /// The zlib format, under either of its names (deflate, zlib).
    Zlib,
    /// Snappy blocks (HTTP) or frames (gRPC): receivers tell them apart, senders follow their transport.
    Snappy,
    /// Snappy frames by their own name.
    SnappyFramed,
}

const SNAPPY_MAGIC: &[u8] = b"\xff\x06\x00\x00sNaPpY";
const GZIP_MAGIC: &[u8] = b"\x1f\x8b\x08";
/// The largest zstd window that a sender may ask us to allocate: 2^25 bytes.
const ZSTD_WINDOW: u32 = 25;

thread_local! {
    static INFLATE: RefCell<Decompressor> = RefCell::new(Decompressor::new());
    static DEFLATE: RefCell<Compressor> = RefCell::new(Compressor::new(CompressionLvl::fastest()));
}

impl Encoding {
    /// The encoding of a header value; "" and identity are none.
    pub fn named(name: &str) -> Option<Encoding> {
        Some(match name {
            "" | "identity" | "none" => Encoding::Identity,
            "gzip" => Encoding::Gzip,
            "zstd" => Encoding::Zstd,
            "deflate" | "zlib" => Encoding::Zlib,
            "snappy" => Encoding::Snappy,
            "x-snappy-framed" => Encoding::SnappyFramed,
            _ => return None,
        })
    }

    /// The header value.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Identity => "identity",
            Encoding::Gzip => "gzip",
            Encoding::Zstd => "zstd",
            Encoding::Zlib => "deflate",
            Encoding::Snappy => "snappy",
            Encoding::SnappyFramed => "x-snappy-framed",
        }
    }

    /// What gRPC calls this: its snappy is framed, its deflate is zlib.
    pub fn on_grpc(self) -> Encoding {
        if self == Encoding::Snappy {
            Encoding::SnappyFramed
        } else {
            self
        }
    }

    /// A guess at the decompressed size, from hints that may lie.
    pub fn likely_size(self, body: &[u8]) -> usize {
        let hint = match self {
            Encoding::Identity => Some(body.len()),
            Encoding::Gzip => body
                .last_chunk::<4>()
                .map(|tail| u32::from_le_bytes(*tail) as usize),
            Encoding::Zstd => zstd_size(body),
            Encoding::Snappy => snap::raw::decompress_len(body).ok(),
            _ => None,
        };
        hint.unwrap_or(body.len().saturating_mul(6))
    }
}

fn zstd_size(body: &[u8]) -> Option<usize> {
    zstd::zstd_safe::get_frame_content_size(body)
        .ok()
        .flatten()
        .and_then(|size| usize::try_from(size).ok())
}

fn broken(encoding: Encoding, why: impl std::fmt::Display) -> Refusal {
    Refusal::new(Reason::Compression, format!("{}: {why}", encoding.name()))
}

fn too_large(cap: usize) -> Refusal {
    Refusal::new(
        Reason::TooLarge,
        format!("decompressed body larger than max ({cap} bytes)"),
    )
}

/// The body as it was before `encoding`, at most `cap` bytes.
///
/// # Errors
/// `TooLarge` over the cap, `Compression` when the bytes are broken.
pub fn decompress(encoding: Encoding, body: &Bytes, cap: usize) -> Result<Bytes, Refusal> {
    match encoding {
        Encoding::Identity if body.len() <= cap => Ok(body.clone()),
        Encoding::Identity => Err(too_large(cap)),
        Encoding::Gzip => gunzip(body, cap),
        Encoding::Zlib => inflate(encoding, body, cap, body.len().saturating_mul(6)),
        Encoding::Zstd => unzstd(body, cap),
        Encoding::Snappy | Encoding::SnappyFramed => unsnap(encoding, body, cap),
    }
}

fn gunzip(body: &[u8], cap: usize) -> Result<Bytes, Refusal> {
    if !body.starts_with(GZIP_MAGIC) {
        return Err(broken(Encoding::Gzip, "invalid header"));
    }
    // A second member must begin with the magic: without it the fast one-shot has seen everything.
    if body.len() > 3 && memchr::memmem::find(&body[3..], GZIP_MAGIC).is_some() {
        return read_capped(
            Encoding::Gzip,
            flate2::read::MultiGzDecoder::new(body),
            cap,
            body.len() * 6,
        );
    }
    let hint = Encoding::Gzip.likely_size(body);
    // Deflate cannot grow more than 1,032-fold, so a lying hint costs no more than an honest bomb.
    inflate(
        Encoding::Gzip,
        body,
        cap,
        hint.min(body.len().saturating_mul(1032)),
    )
}

fn inflate(encoding: Encoding, body: &[u8], cap: usize, hint: usize) -> Result<Bytes, Refusal> {
    let mut size = hint.clamp(64, cap);
    loop {
        let mut out = vec![0; size];
        let done = INFLATE.with_borrow_mut(|inflate| match encoding {
            Encoding::Gzip => inflate.gzip_decompress(body, &mut out),
            _ => inflate.zlib_decompress(body, &mut out),
        });
        match done {
            Ok(len) => {
                out.truncate(len);
                return Ok(out.into());
            }
            Err(DecompressionError::InsufficientSpace) if size < cap => {
                size = size.saturating_mul(4).min(cap)
            }
            Err(DecompressionError::InsufficientSpace) => return Err(too_large(cap)),
            Err(DecompressionError::BadData) => return Err(broken(encoding, "invalid data")),
        }
    }
}

fn unzstd(body: &[u8], cap: usize) -> Result<Bytes, Refusal> {
    let hint = zstd_size(body);
    if hint.is_some_and(|size| size > cap) {
        return Err(too_large(cap));
    }
    let mut decoder = zstd::stream::read::Decoder::with_buffer(body)
        .map_err(|error| broken(Encoding::Zstd, error))?;
    decoder
        .window_log_max(ZSTD_WINDOW)
        .map_err(|error| broken(Encoding::Zstd, error))?;
    read_capped(
        Encoding::Zstd,
        decoder,
        cap,
        hint.map_or(body.len() * 6, |size| {
            size.min(body.len().saturating_mul(64))
        }),
    )
}

fn unsnap(encoding: Encoding, body: &[u8], cap: usize) -> Result<Bytes, Refusal> {
    if body.starts_with(SNAPPY_MAGIC) {
        return read_capped(
            encoding,
            snap::read::FrameDecoder::new(body),
            cap,
            body.len() * 3,
        );
    }
    if body.is_empty() {
        return Ok(Bytes::new());
    }
    let size = snap::raw::decompress_len(body).map_err(|error| broken(encoding, error))?;
    if size > cap {
        return Err(too_large(cap));
    }
    // Snappy grows at most 64-fold for each element of three bytes.
    if size > body.len().saturating_mul(64) {
        return Err(broken(encoding, "length does not fit the data"));
    }
    snap::raw::Decoder::new()
        .decompress_vec(body)
        .map(Bytes::from)
        .map_err(|error| broken(encoding, error))
}

fn read_capped(
    encoding: Encoding,
    reader: impl Read,
    cap: usize,
    hint: usize,
) -> Result<Bytes, Refusal> {
    let mut out = Vec::with_capacity(hint.min(cap) + 1);
    reader
        .take(cap as u64 + 1)
        .read_to_end(&mut out)
        .map_err(|error| broken(encoding, error))?;
    if out.len() > cap {
        Err(too_large(cap))
    } else {
        Ok(out.into())
    }
}

/// The body in `encoding`, at the level that costs least.
///
/// # Errors
/// Only when the library runs out of memory.
pub fn compress(encoding: Encoding, body: &[u8]) -> std::io::Result<Bytes> {
    match encoding {
        Encoding::Identity => Ok(Bytes::copy_from_slice(body)),
        Encoding::Gzip | Encoding::Zlib => deflate(encoding, body),
        Encoding::Zstd => zstd::bulk::compress(body, 1).map(Bytes::from),
        Encoding::Snappy => snap::raw::Encoder::new()
            .compress_vec(body)
            .map(Bytes::from)
            .map_err(std::io::Error::other),
        Encoding::SnappyFramed => {
            let mut out = Vec::new();
            snap::read::FrameEncoder::new(body).read_to_end(&mut out)?;
            Ok(out.into())
        }
    }
}

fn deflate(encoding: Encoding, body: &[u8]) -> std::io::Result<Bytes> {
    DEFLATE.with_borrow_mut(|deflate| {
        let gzip = encoding == Encoding::Gzip;
        let bound = if gzip {
            deflate.gzip_compress_bound(body.len())
        } else {
            deflate.zlib_compress_bound(body.len())
        };
        let mut out = vec![0; bound];
        let len = if gzip {
            deflate.gzip_compress(body, &mut out)
        } else {
            deflate.zlib_compress(body, &mut out)
        };
        out.truncate(len.map_err(std::io::Error::other)?);
        // The bound is about the body's size: give back what a held reply would pin.
        out.shrink_to_fit();
        Ok(out.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Encoding; 5] = [
        Encoding::Gzip,
        Encoding::Zstd,
        Encoding::Zlib,
        Encoding::Snappy,
        Encoding::SnappyFramed,
    ];

    #[test]
    fn every_encoding_returns_what_went_in() {
        for size in [0, 1, 100, 100_000, 3_000_000] {
            let body: Vec<u8> = (0..size).map(|i: usize| (i * i % 251) as u8).collect();
            for encoding in ALL {
                let packed = compress(encoding, &body).unwrap_or_default();
                let out = decompress(encoding, &packed, size).unwrap_or_default();
                assert!(out[..] == body[..], "{encoding:?} {size}");
            }
        }
    }

    #[test]
    fn a_bomb_is_too_large_and_rubbish_is_broken() {
        let body = vec![0; 10 << 20];
        for encoding in ALL {
            let packed = compress(encoding, &body).unwrap_or_default();
            let reason = decompress(encoding, &packed, 1 << 20).map_err(|refusal| refusal.reason);
            assert_eq!(reason.err(), Some(Reason::TooLarge), "{encoding:?}");
            let reason = decompress(
                encoding,
                &Bytes::from_static(b"rubbish, and more of it"),
                1 << 20,
            );
            assert_eq!(
                reason.map_err(|refusal| refusal.reason).err(),
                Some(Reason::Compression),
                "{encoding:?}"
            );
        }
    }

    #[test]
    fn members_and_lying_sizes_are_read_whole() {
        let one = compress(Encoding::Gzip, b"hello ").unwrap_or_default();
        let two = Bytes::from([&one[..], &one[..]].concat());
        assert_eq!(
            decompress(Encoding::Gzip, &two, 100).ok().as_deref(),
            Some(&b"hello hello "[..])
        );
        let long = compress(Encoding::Gzip, &vec![7; 100_000]).unwrap_or_default();
        assert_eq!(
            decompress(Encoding::Gzip, &long, 99_999).map_err(|r| r.reason),
            Err(Reason::TooLarge)
        );
    }
}
