pub fn transcode(_: &[u8]) -> crate::error::Result<Vec<u8>> { Ok(Vec::new()) }
