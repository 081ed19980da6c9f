//! The closed list of places where the databases differ in SQL text. Statements are written once,
//! with `$n` parameters, and nine words that only this module knows:
//!
//! * `IN EACH_TEXT($2)`: one of the strings of a JSON array. On PostgreSQL `= ANY` of an array, which it looks up
//!   in an index; what is `IN` a set that a function returns it joins, and may read the whole table for it;
//! * `IN EACH_INT($2)`: one of its integers;
//! * `EACH_OBJECT($2)`: its objects as rows, for `FROM EACH_OBJECT($2)`; a member is `value->>'name'`, a
//!   text on PostgreSQL;
//! * `INSERT … SELECT $1, value->>'a' FROM EACH_BOUND($2) WHERE TRUE`: as `EACH_OBJECT`; on SQLite one row, whose
//!   members are parameters, and it is run for each row: JSON costs more there than what is written. What it
//!   would return is left out there: SQLite says of each run whether it wrote, and keeps what it returns in a
//!   table made for the run, which costs as much as the row;
//! * `INSERT … SELECT $1, r.a, r.b FROM EACH_ROW(a $2, b $3)`: one row on SQLite; on PostgreSQL as many
//!   as were written before it was sent, each parameter but the tenant an array. So what it conflicts
//!   with may be left (`DO NOTHING`), not updated, and no row rests on another of the same statement. Where several such statements
//!   add to one table the first column says to what a row belongs, and what it rests on or conflicts with belongs to the same;
//! * `UPDATE t SET c = r.c FROM EACH_ROW(a $2, c $3) WHERE t.tenant_id = $1 AND t.a = r.a`, `DELETE FROM t USING
//!   EACH_ROW(a $2) WHERE …`: the same; the first column of an update is the key, of a delete all are;
//! * `PLACE_IN(r.a)`: which row it is of those with this `a`, from 1;
//! * `KNOWN($5)`: an integer of few values. On PostgreSQL its value stands in the text: Citus hands no
//!   parameter on to what an `INSERT … SELECT` does `ON CONFLICT` or `RETURNING`;
//! * `FOR_UPDATE`, `FOR_SHARE`: locks the rows that were read until the transaction ends. SQLite has
//!   one writer, which needs no such lock.

/// What stands before a parameter whose value becomes part of PostgreSQL's text.
const KNOWN: &str = "KNOWN(";

/// Whether a statement holds one of the words.
pub(crate) fn differs(sql: &str) -> bool {
    ["EACH_", "FOR_", KNOWN].iter().any(|word| sql.contains(word))
}

/// The statement as SQLite reads it.
pub(crate) fn sqlite(sql: &str) -> String {
    let each = |kind: &str, param: &str| match kind {
        "OBJECT" => format!("json_each({param})"),
        _ => format!("(SELECT value FROM json_each({param}))"),
    };
    let mut sql = of_bound_members(sql);
    if let Some((start, end, columns)) = each_row(&sql) {
        let columns: Vec<(String, String)> = columns
            .iter()
            .map(|(column, param)| (format!("r.{column}"), (*param).to_owned()))
            .collect();
        let before = sql[..start].trim_end().rfind(' ').unwrap_or_default();
        sql.replace_range(before..end, "");
        for (column, param) in columns {
            sql = replace_word(&sql, &column, &param);
        }
        while let Some((before, rest)) = sql.split_once("PLACE_IN(") {
            let after = rest.split_once(')').map_or("", |(_, after)| after);
            sql = format!("{before}1{after}");
        }
        sql = of_one_row(&sql);
    }
    let sql = with_sets(&sql, each)
        .replace(" FOR_UPDATE", "")
        .replace(" FOR_SHARE", "");
    with_known(&sql, |param| format!("${param}")).replace('$', "?")
}

/// The statement as PostgreSQL reads it, but for what is `KNOWN`.
pub(crate) fn postgres(sql: &str) -> String {
    let each = |kind: &str, param: &str| match kind {
        "OBJECT" | "BOUND" => format!("jsonb_array_elements({param}::jsonb) AS each (value)"),
        // The text of an array of integers, but for its brackets.
        "INT" => format!("(translate({param}, '[]', '{{}}')::bigint[])"),
        _ => format!("(ARRAY(SELECT jsonb_array_elements_text({param}::jsonb)))"),
    };
    let mut sql = sql
        .replace(" IN EACH_INT(", " = ANY EACH_INT(")
        .replace(" IN EACH_TEXT(", " = ANY EACH_TEXT(");
    if let Some((start, end, columns)) = each_row(&sql) {
        let (names, params): (Vec<&str>, Vec<&str>) = columns.into_iter().unzip();
        let (names, params) = (names.join(", "), params.join(", "));
        let rows = format!("UNNEST({params}) WITH ORDINALITY AS r({names}, place)");
        sql.replace_range(start..end, &rows);
        while let Some((before, rest)) = sql.split_once("PLACE_IN(") {
            let (column, after) = rest.split_once(')').unwrap_or((rest, ""));
            sql = format!("{before}ROW_NUMBER() OVER (PARTITION BY {column} ORDER BY r.place){after}");
        }
    }
    with_sets(&sql, each)
        .replace("FOR_UPDATE", "FOR UPDATE")
        .replace("FOR_SHARE", "FOR SHARE")
}

/// Replaces `KNOWN($n)` by what `value` says of the parameter, counted from 1.
pub(crate) fn with_known(sql: &str, value: impl Fn(usize) -> String) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some((before, call)) = rest.split_once(KNOWN) {
        let (param, after) = call.split_once(')').unwrap_or((call, ""));
        out.push_str(before);
        out.push_str(&value(param.trim_start_matches('$').parse().unwrap_or_default()));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Whether a part of the statement is `KNOWN`.
pub(crate) fn has_known(sql: &str) -> bool {
    sql.contains(KNOWN)
}

/// `INSERT … VALUES` of an `INSERT … SELECT` that reads no table, which SQLite runs a quarter slower.
fn of_one_row(sql: &str) -> String {
    let Some((head, rest)) = sql.split_once(") SELECT ") else {
        return sql.to_owned();
    };
    let (row, tail) = rest.split_at(rest.find(" ON CONFLICT").unwrap_or(rest.len()));
    format!("{head}) VALUES ({row}){tail}")
}

/// The parameter of the first member over `EACH_BOUND`, on SQLite: behind all others.
pub(crate) const MEMBERS_FROM: usize = 101;

/// The members that a statement over `EACH_BOUND` reads, each once; on SQLite they are its parameters from
/// [`MEMBERS_FROM`] on.
pub(crate) fn members(sql: &str) -> Vec<&str> {
    let mut members = Vec::new();
    for part in sql.split("value->>'").skip(1) {
        let member = part.split_once('\'').map_or(part, |(member, _)| member);
        if !members.contains(&member) {
            members.push(member);
        }
    }
    members
}

/// One row of an `INSERT … SELECT … FROM EACH_BOUND(…) WHERE TRUE`, with a parameter for each member.
fn of_bound_members(sql: &str) -> String {
    let Some((before, rest)) = sql.split_once(" FROM EACH_BOUND(") else {
        return sql.to_owned();
    };
    let tail = rest.split_once(" WHERE TRUE").map_or("", |(_, tail)| tail);
    let tail = tail
        .split_once(" RETURNING ")
        .map_or(tail, |(written, _)| written);
    let mut row = format!("{before}{tail}");
    for (place, member) in members(sql).into_iter().enumerate() {
        row = row.replace(
            &format!("value->>'{member}'"),
            &format!("${}", MEMBERS_FROM + place),
        );
    }
    of_one_row(&row)
}

/// Columns of `EACH_ROW(…)`, each with its parameter.
type Columns<'s> = Vec<(&'s str, &'s str)>;

/// Where `EACH_ROW(…)` stands, and its columns.
fn each_row(sql: &str) -> Option<(usize, usize, Columns<'_>)> {
    let start = sql.find("EACH_ROW(")?;
    let list = start + "EACH_ROW(".len();
    let length = sql[list..].find(')')?;
    let columns = sql[list..list + length].split(", ");
    let columns = columns.filter_map(|column| column.split_once(' ')).collect();
    Some((start, list + length + 1, columns))
}

/// Replaces a word that is no part of a longer one.
fn replace_word(sql: &str, word: &str, by: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    let of_words = |letter: char| letter == '_' || letter.is_ascii_alphanumeric();
    while let Some((before, after)) = rest.split_once(word) {
        out.push_str(before);
        let is_part = out.ends_with(of_words) || after.starts_with(of_words);
        out.push_str(if is_part { word } else { by });
        rest = after;
    }
    out.push_str(rest);
    out
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
    use super::{postgres, sqlite, with_known};

    #[test]
    fn each_database_gets_its_words() {
        let sql = "SELECT 1 FROM t WHERE a = $1 AND b IN EACH_INT($2) ORDER BY b FOR_UPDATE";
        assert_eq!(
            postgres(sql),
            "SELECT 1 FROM t WHERE a = $1 AND b = ANY (translate($2, '[]', '{}')::bigint[]) ORDER BY b FOR UPDATE"
        );
        assert_eq!(
            postgres("SELECT 1 FROM t WHERE a = $1 AND b IN EACH_TEXT($2)"),
            "SELECT 1 FROM t WHERE a = $1 AND b = ANY (ARRAY(SELECT jsonb_array_elements_text($2::jsonb)))"
        );
        assert_eq!(
            sqlite(sql),
            "SELECT 1 FROM t WHERE a = ?1 AND b IN (SELECT value FROM json_each(?2)) ORDER BY b"
        );
    }

    #[test]
    fn rows_are_read_by_their_members() {
        let sql = "INSERT INTO t (a, b) SELECT $1, value->>'b' FROM EACH_OBJECT($2) WHERE TRUE";
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
    fn bound_rows_are_run_one_by_one() {
        let sql = "INSERT INTO t (a, b, c) SELECT $1, value->>'b', CAST(value->>'c' AS BIGINT) FROM EACH_BOUND($2) \
                   WHERE TRUE ON CONFLICT (a) DO UPDATE SET b = excluded.b WHERE t.c < $3 RETURNING a";
        assert_eq!(
            postgres(sql),
            "INSERT INTO t (a, b, c) SELECT $1, value->>'b', CAST(value->>'c' AS BIGINT) FROM \
             jsonb_array_elements($2::jsonb) AS each (value) WHERE TRUE ON CONFLICT (a) DO UPDATE SET b = \
             excluded.b WHERE t.c < $3 RETURNING a"
        );
        assert_eq!(
            sqlite(sql),
            "INSERT INTO t (a, b, c) VALUES (?1, ?101, CAST(?102 AS BIGINT)) ON CONFLICT (a) DO UPDATE SET b = \
             excluded.b WHERE t.c < ?3"
        );
    }

    #[test]
    fn parameters_and_sets_are_rewritten() {
        assert_eq!(
            sqlite("SELECT 1 FROM t WHERE a = $1 AND b IN EACH_TEXT($2) AND c = $3"),
            "SELECT 1 FROM t WHERE a = ?1 AND b IN (SELECT value FROM json_each(?2)) AND c = ?3"
        );
    }

    #[test]
    fn what_is_known_stands_in_the_text() {
        let sql = "SELECT 1 FROM t WHERE a = $1 AND (b = $2 OR KNOWN($12) = 1)";
        assert_eq!(
            sqlite(sql),
            "SELECT 1 FROM t WHERE a = ?1 AND (b = ?2 OR ?12 = 1)"
        );
        assert_eq!(
            with_known(&postgres(sql), |param| (param + 1).to_string()),
            "SELECT 1 FROM t WHERE a = $1 AND (b = $2 OR 13 = 1)"
        );
    }

    #[test]
    fn rows_that_are_changed_are_one_or_many() {
        let update = "UPDATE t SET c = r.c FROM EACH_ROW(a $2, c $3) WHERE t.tenant_id = $1 AND t.a = r.a";
        assert_eq!(
            sqlite(update),
            "UPDATE t SET c = ?3 WHERE t.tenant_id = ?1 AND t.a = ?2"
        );
        assert_eq!(
            postgres(update),
            "UPDATE t SET c = r.c FROM UNNEST($2, $3) WITH ORDINALITY AS r(a, c, place) WHERE t.tenant_id = $1 AND \
             t.a = r.a"
        );
        // The end of a table's name is no row.
        assert_eq!(
            sqlite("UPDATE tr SET c = r.c FROM EACH_ROW(a $2, c $3) WHERE tr.tenant_id = $1 AND tr.a = r.a"),
            "UPDATE tr SET c = ?3 WHERE tr.tenant_id = ?1 AND tr.a = ?2"
        );
        let delete = "DELETE FROM t USING EACH_ROW(a $2) WHERE t.tenant_id = $1 AND t.a = r.a";
        assert_eq!(
            sqlite(delete),
            "DELETE FROM t WHERE t.tenant_id = ?1 AND t.a = ?2"
        );
        assert_eq!(
            postgres(delete),
            "DELETE FROM t USING UNNEST($2) WITH ORDINALITY AS r(a, place) WHERE t.tenant_id = $1 AND t.a = r.a"
        );
    }

    #[test]
    fn rows_are_one_or_many() {
        let sql = "INSERT INTO t (tenant_id, a, ab, c) SELECT $1, r.a, r.ab, PLACE_IN(r.a) + COALESCE((SELECT \
                   MAX(c) FROM t WHERE tenant_id = $1 AND a = r.a), 0) FROM EACH_ROW(a $2, ab $3) ON CONFLICT \
                   DO NOTHING";
        assert_eq!(
            sqlite(sql),
            "INSERT INTO t (tenant_id, a, ab, c) VALUES (?1, ?2, ?3, 1 + COALESCE((SELECT MAX(c) FROM t WHERE \
             tenant_id = ?1 AND a = ?2), 0)) ON CONFLICT DO NOTHING"
        );
        assert_eq!(
            postgres(sql),
            "INSERT INTO t (tenant_id, a, ab, c) SELECT $1, r.a, r.ab, ROW_NUMBER() OVER (PARTITION BY r.a ORDER \
             BY r.place) + COALESCE((SELECT MAX(c) FROM t WHERE tenant_id = $1 AND a = r.a), 0) FROM UNNEST($2, \
             $3) WITH ORDINALITY AS r(a, ab, place) ON CONFLICT DO NOTHING"
        );
    }
}
