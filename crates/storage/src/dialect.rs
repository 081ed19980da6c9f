//! The closed list of places where the databases differ in SQL text. Statements are written once,
//! with `$n` parameters, and two set words that take a JSON array as one parameter:
//!
//! * `EACH_TEXT($2)`: the strings of the array, for `IN EACH_TEXT($2)`;
//! * `EACH_INT($2)`: its integers.

/// The statement as SQLite reads it.
pub(crate) fn sqlite(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() + 64);
    let mut rest = sql;
    while let Some(at) = rest.find("EACH_") {
        out.push_str(&rest[..at]);
        let call = &rest[at..];
        // A set word is `EACH_TEXT(` or `EACH_INT(`, one parameter, and a closing parenthesis.
        let (open, close) = (call.find('(').unwrap_or(0), call.find(')').unwrap_or(0));
        out.push_str("(SELECT value FROM json_each");
        out.push_str(&call[open..=close]);
        out.push(')');
        rest = &call[close + 1..];
    }
    out.push_str(rest);
    out.replace('$', "?")
}

#[cfg(test)]
mod tests {
    use super::sqlite;

    #[test]
    fn parameters_and_sets_are_rewritten() {
        assert_eq!(
            sqlite("SELECT 1 FROM t WHERE a = $1 AND b IN EACH_TEXT($2) AND c = $3"),
            "SELECT 1 FROM t WHERE a = ?1 AND b IN (SELECT value FROM json_each(?2)) AND c = ?3"
        );
    }
}
