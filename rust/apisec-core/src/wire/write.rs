//! Writing: what encode, split and transcode append to a buffer.

/// Bytes that `value` takes as a varint.
#[inline]
pub fn varint_width(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Appends a varint, no longer than needed.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a varint of at least `width` bytes, overlong if need be.
pub fn put_padded(out: &mut Vec<u8>, mut value: u64, width: usize) {
    for _ in 1..width.max(varint_width(value)) {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a length-delimited field: tag, length, bytes.
pub fn put_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_varint(out, u64::from(super::length(field)));
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a message whose body `write` appends; the length is put before it afterwards.
pub fn put_length<T, E>(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<T, E>,
) -> Result<T, E> {
    let at = out.len();
    out.push(0);
    let answer = write(out)?;
    let length = (out.len() - at - 1) as u64;
    if length < 0x80 {
        if let Some(prefix) = out.get_mut(at) {
            *prefix = length as u8;
        }
        return Ok(answer);
    }
    let mut prefix = Vec::with_capacity(5);
    put_varint(&mut prefix, length);
    out.splice(at..at + 1, prefix);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_written() {
        for value in [0, 1, 127, 128, 16383, 16384, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out.len(), varint_width(value));
            out.clear();
            put_padded(&mut out, value, 10);
            assert_eq!(out.len(), 10);
            assert_eq!(super::super::Cursor::new(&out).varint(), Ok(value));
        }
    }
}
