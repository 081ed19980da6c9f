//! The closed list of places where the databases differ in SQL text. Statements are written once,
//! with `$n` parameters, and five words that only this module knows:
//!
//! * `EACH_TEXT($2)`: the strings of a JSON array, for `IN EACH_TEXT($2)`;
//! * `EACH_INT($2)`: its integers;
//! * `EACH_ROW($2)`: its objects as rows, for `FROM EACH_ROW($2)`; a member is `value->>'name'`, a text on
//!   PostgreSQL;
//! * `FOR_UPDATE`, `FOR_SHARE`: locks the rows that were read until the transaction ends. SQLite has
//!   one writer, which needs no such lock.

/// Whether a statement holds one of the words.
pub(crate) fn differs(sql: &str) -> bool {
    sql.contains("EACH_") || sql.contains("FOR_")
}

/// The statement as SQLite reads it.
pub(crate) fn sqlite(sql: &str) -> String {
    let each = |kind: &str, param: &str| match kind {
        "ROW" => format!("json_each({param})"),
        _ => format!("(SELECT value FROM json_each({param}))"),
    };
    with_sets(sql, each)
        .replace(" FOR_UPDATE", "")
        .replace(" FOR_SHARE", "")
        .replace('$', "?")
}

/// The statement as PostgreSQL reads it.
pub(crate) fn postgres(sql: &str) -> String {
    let each = |kind: &str, param: &str| match kind {
        "ROW" => format!("jsonb_array_elements({param}::jsonb) AS each (value)"),
        "INT" => format!("(SELECT value::bigint FROM jsonb_array_elements_text({param}::jsonb))"),
        _ => format!("(SELECT value FROM jsonb_array_elements_text({param}::jsonb))"),
    };
    with_sets(sql, each)
        .replace("FOR_UPDATE", "FOR UPDATE")
        .replace("FOR_SHARE", "FOR SHARE")
}

/// Replaces `EACH_kind(param)` by what `each` makes of them.
fn with_sets(sql: &str, each: impl Fn(&str, &str) -> String) -> String {
    let mut out = String::with_capacity(sql.len() + 64);
    let mut rest = sql;
    while let Some((before, call)) = rest.split_once("EACH_") {
        out.push_str(before);
        let (kind, call) = call.split_once('(').unwrap_or((call, ""));
        let (param, after) = call.split_once(')').unwrap_or((call, ""));
        out.push_str(&each(kind, param));
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::{postgres, sqlite};

    #[test]
    fn each_database_gets_its_words() {
        let sql = "SELECT 1 FROM t WHERE a = $1 AND b IN EACH_INT($2) ORDER BY b FOR_UPDATE";
        assert_eq!(
            postgres(sql),
            "SELECT 1 FROM t WHERE a = $1 AND b IN (SELECT value::bigint FROM \
             jsonb_array_elements_text($2::jsonb)) ORDER BY b FOR UPDATE"
        );
        assert_eq!(
            sqlite(sql),
            "SELECT 1 FROM t WHERE a = ?1 AND b IN (SELECT value FROM json_each(?2)) ORDER BY b"
        );
    }

    #[test]
    fn rows_are_read_by_their_members() {
        let sql = "INSERT INTO t (a, b) SELECT $1, value->>'b' FROM EACH_ROW($2) WHERE TRUE";
        assert_eq!(
            postgres(sql),
            "INSERT INTO t (a, b) SELECT $1, value->>'b' FROM jsonb_array_elements($2::jsonb) AS each (value) \
             WHERE TRUE"
        );
        assert_eq!(
            sqlite(sql),
            "INSERT INTO t (a, b) SELECT ?1, value->>'b' FROM json_each(?2) WHERE TRUE"
        );
    }

    #[test]
    fn parameters_and_sets_are_rewritten() {
        assert_eq!(
            sqlite("SELECT 1 FROM t WHERE a = $1 AND b IN EACH_TEXT($2) AND c = $3"),
            "SELECT 1 FROM t WHERE a = ?1 AND b IN (SELECT value FROM json_each(?2)) AND c = ?3"
        );
    }
}
