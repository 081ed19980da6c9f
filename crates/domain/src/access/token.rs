//! The text of access tokens: `guild_`, 43 base62 characters that hold 32 random bytes, and 6 of
//! CRC-32 over all before them. The checksum guards nothing: it lets a scanner tell a real token
//! from a look-alike, and lets the server refuse a mistyped one without asking the database.

use crate::digest::sha256;

/// How every token begins.
pub const TOKEN_PREFIX: &str = "guild_";
/// 62^43 is just above 2^256.
const SECRET_CHARS: usize = 43;
/// 62^6 is above 2^32.
const CHECKSUM_CHARS: usize = 6;
const TOKEN_CHARS: usize = TOKEN_PREFIX.len() + SECRET_CHARS + CHECKSUM_CHARS;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The token made of 32 random bytes: 55 ASCII characters.
pub fn token_from(bytes: [u8; 32]) -> String {
    let mut token = String::with_capacity(TOKEN_CHARS);
    token.push_str(TOKEN_PREFIX);
    let secret: [u8; SECRET_CHARS] = base62(bytes);
    token.extend(secret.map(char::from));
    let checksum = checksum(token.as_bytes());
    token.extend(checksum.map(char::from));
    token
}

/// Whether a text has the form and the checksum of a token. Says nothing about whether the token
/// exists. Allocates nothing.
pub fn looks_like_token(text: &str) -> bool {
    let Some((signed, sum)) = text.as_bytes().split_last_chunk::<CHECKSUM_CHARS>() else {
        return false;
    };
    text.len() == TOKEN_CHARS
        && text.starts_with(TOKEN_PREFIX)
        && signed[TOKEN_PREFIX.len()..].iter().all(u8::is_ascii_alphanumeric)
        && *sum == checksum(signed)
}

/// What is stored of a token: SHA-256 of its whole text. A fast hash is enough for 256 random bits.
pub fn token_hash(token: &str) -> [u8; 32] {
    sha256(&[token.as_bytes()])
}

fn checksum(signed: &[u8]) -> [u8; CHECKSUM_CHARS] {
    base62(crc32fast::hash(signed).to_be_bytes())
}

/// A big-endian number in `CHARS` digits of base 62, zeros in front: long division, digit by digit.
fn base62<const BYTES: usize, const CHARS: usize>(mut number: [u8; BYTES]) -> [u8; CHARS] {
    let mut digits = [BASE62[0]; CHARS];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0_usize;
        for byte in &mut number {
            let dividend = remainder << 8 | usize::from(*byte);
            // At most 61 * 256 + 255 divided by 62: fits a byte.
            *byte = u8::try_from(dividend / 62).unwrap_or(u8::MAX);
            remainder = dividend % 62;
        }
        *digit = BASE62[remainder];
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The bytes that a token was made of.
    fn bytes_of(token: &str) -> [u8; 32] {
        let mut bytes = [0_u8; 32];
        for character in token[TOKEN_PREFIX.len()..][..SECRET_CHARS].bytes() {
            let mut carry = BASE62.iter().position(|digit| *digit == character).unwrap();
            for byte in bytes.iter_mut().rev() {
                carry += usize::from(*byte) * 62;
                *byte = (carry % 256) as u8;
                carry /= 256;
            }
            assert_eq!(carry, 0);
        }
        bytes
    }

    #[test]
    fn tokens_have_their_form() {
        let zero = token_from([0; 32]);
        assert!(zero.starts_with(&format!("guild_{}", "0".repeat(43))), "{zero}");
        for bytes in [[0; 32], [1; 32], [255; 32]] {
            let token = token_from(bytes);
            assert_eq!(token.len(), 55);
            assert!(looks_like_token(&token), "{token}");
            assert_eq!(bytes_of(&token), bytes);
        }
    }

    #[test]
    fn other_texts_are_no_tokens() {
        let token = token_from([7; 32]);
        for other in [
            String::new(),
            "guild_".into(),
            token[1..].into(),
            format!("{token}0"),
            format!(" {token}"),
            token.replace("guild_", "build_"),
            token.replace("guild_", "GUILD_"),
            "é".repeat(27),
            format!("guild_{}", "é".repeat(24)),
        ] {
            assert!(!looks_like_token(&other), "{other}");
        }
    }

    #[test]
    fn the_hash_is_sha_256_of_the_text() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(token_hash("abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_ne!(token_hash(&token_from([0; 32])), token_hash(&token_from([1; 32])));
    }

    proptest! {
        #[test]
        fn tokens_hold_their_bytes(bytes in any::<[u8; 32]>()) {
            let token = token_from(bytes);
            prop_assert!(looks_like_token(&token));
            prop_assert_eq!(bytes_of(&token), bytes);
        }

        #[test]
        fn every_change_of_one_character_is_noticed(bytes in any::<[u8; 32]>()) {
            let token = token_from(bytes);
            for (index, was) in token.bytes().enumerate() {
                for other in BASE62.iter().copied().chain([b'_', b'-', b' ']).filter(|other| *other != was) {
                    let mut changed = token.clone().into_bytes();
                    changed[index] = other;
                    let changed = String::from_utf8(changed).unwrap();
                    prop_assert!(!looks_like_token(&changed), "{}", changed);
                }
            }
        }

        #[test]
        fn arbitrary_texts_never_panic(text in "\\PC{0,60}|guild_[0-9a-zA-Z]{49}") {
            prop_assert!(!looks_like_token(&text));
        }
    }
}
