//! SHA-256 and hexadecimal, in one place.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// The SHA-256 digest of these parts, one after the other.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            // Writing to a String cannot fail.
            let _infallible = write!(out, "{byte:02x}");
            out
        })
}
