//! SHA-256 and hexadecimal, in one place.

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
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 0xf)]);
    }
    out
}

/// The bytes of these hexadecimal digits, of either case; nothing where they are none.
pub fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? * 16 + digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_lower_case_and_reads_back() {
        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        let digits = hex(&bytes);
        assert!(
            digits.starts_with("000102") && digits.ends_with("fdfeff"),
            "{digits}"
        );
        assert_eq!(unhex(&digits), Some(bytes));
        assert_eq!(hex(&[]), "");
        assert_eq!(unhex("0G"), None);
    }
}
