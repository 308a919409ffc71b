//! Running one statement in either database.

use jiff::Timestamp;
use sqlx::mysql::{MySqlArguments, MySqlConnection, MySqlRow};
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Column as _, MySql, Postgres, Row as _, TypeInfo as _};

use super::Dialect;

/// A value in a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A text.
    Text(&'a str),
    /// A number.
    Number(i64),
    /// A moment, which goes in as text in UTC: the statement has to say which type it is.
    Moment(Timestamp),
}

/// A row: its columns as text, `None` where there is none.
pub(crate) type Row = Vec<Option<String>>;

pub(super) async fn mysql_rows(
    connection: &mut MySqlConnection,
    sql: &str,
    values: &[Value<'_>],
) -> Result<Vec<Row>, sqlx::Error> {
    let rows = mysql(sql, values).fetch_all(connection).await?;
    rows.iter()
        .map(|row| (0..row.len()).map(|at| mysql_cell(row, at)).collect())
        .collect()
}

pub(super) async fn mysql_execute(
    connection: &mut MySqlConnection,
    sql: &str,
    values: &[Value<'_>],
) -> Result<u64, sqlx::Error> {
    let done = mysql(sql, values).execute(connection).await?;
    Ok(done.rows_affected())
}

pub(super) async fn postgres_rows(
    connection: &mut PgConnection,
    sql: &str,
    values: &[Value<'_>],
) -> Result<Vec<Row>, sqlx::Error> {
    let rows = postgres(sql, values).fetch_all(connection).await?;
    rows.iter()
        .map(|row| (0..row.len()).map(|at| postgres_cell(row, at)).collect())
        .collect()
}

pub(super) async fn postgres_execute(
    connection: &mut PgConnection,
    sql: &str,
    values: &[Value<'_>],
) -> Result<u64, sqlx::Error> {
    let done = postgres(sql, values).execute(connection).await?;
    Ok(done.rows_affected())
}

// Every statement is written in this program; what comes from outside is bound.
fn mysql<'q>(sql: &str, values: &[Value<'_>]) -> Query<'q, MySql, MySqlArguments> {
    let mut query = sqlx::query(AssertSqlSafe(sql.to_owned()));
    for value in values {
        query = match value {
            Value::Text(text) => query.bind((*text).to_owned()),
            Value::Number(number) => query.bind(*number),
            Value::Moment(at) => query.bind(moment(*at)),
        };
    }
    query
}

fn postgres<'q>(sql: &str, values: &[Value<'_>]) -> Query<'q, Postgres, PgArguments> {
    let mut query = sqlx::query(AssertSqlSafe(numbered(sql)));
    for value in values {
        query = match value {
            // PostgreSQL takes every character but this one.
            Value::Text(text) => query.bind(text.replace('\0', "")),
            Value::Number(number) => query.bind(*number),
            Value::Moment(at) => query.bind(moment(*at)),
        };
    }
    query
}

/// `$1`, `$2`, … instead of `?`.
fn numbered(sql: &str) -> String {
    let mut number = 0;
    let mut text = String::with_capacity(sql.len() + 16);
    for c in sql.chars() {
        if c == '?' {
            number += 1;
            text += &format!("${number}");
        } else {
            text.push(c);
        }
    }
    text
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
}

fn mysql_cell(row: &MySqlRow, at: usize) -> Result<Option<String>, sqlx::Error> {
    let kind = row.column(at).type_info().name().to_owned();
    Ok(match kind.as_str() {
        "BOOLEAN" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" => row
            .try_get::<Option<i64>, _>(at)?
            .map(|number| number.to_string()),
        kind if kind.ends_with("UNSIGNED") => row
            .try_get::<Option<u64>, _>(at)?
            .map(|number| number.to_string()),
        _ => row.try_get::<Option<String>, _>(at)?,
    })
}

fn postgres_cell(row: &PgRow, at: usize) -> Result<Option<String>, sqlx::Error> {
    let kind = row.column(at).type_info().name().to_owned();
    Ok(match kind.as_str() {
        "BOOL" => row
            .try_get::<Option<bool>, _>(at)?
            .map(|truth| u8::from(truth).to_string()),
        "INT2" => row
            .try_get::<Option<i16>, _>(at)?
            .map(|number| number.to_string()),
        "INT4" => row
            .try_get::<Option<i32>, _>(at)?
            .map(|number| number.to_string()),
        "INT8" => row
            .try_get::<Option<i64>, _>(at)?
            .map(|number| number.to_string()),
        _ => row.try_get::<Option<String>, _>(at)?,
    })
}

/// A statement as a person would type it, for rehearsals; nothing is ever run from this.
pub(crate) fn shown(dialect: Dialect, sql: &str, values: &[Value<'_>]) -> String {
    let mut values = values.iter();
    let mut text = String::with_capacity(sql.len());
    for c in sql.chars() {
        match (c, c == '?') {
            (_, true) => match values.next() {
                Some(Value::Text(value)) => text += &quoted(dialect, value),
                Some(Value::Number(value)) => text += &value.to_string(),
                Some(Value::Moment(at)) => text += &format!("'{}'", moment(*at)),
                None => text.push('?'),
            },
            (c, _) if c.is_whitespace() => {
                if !text.ends_with(' ') {
                    text.push(' ');
                }
            }
            (c, _) => text.push(c),
        }
    }
    text + ";"
}

/// A text between quotes. MariaDB and MySQL take a backslash for the beginning of an escape, so a
/// single one before a quote would end the text early; PostgreSQL takes it for itself.
fn quoted(dialect: Dialect, text: &str) -> String {
    let text = text.replace('\'', "''");
    match dialect {
        Dialect::MySql => format!("'{}'", text.replace('\\', r"\\")),
        Dialect::Postgres => format!("'{text}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_shown_as_a_person_would_type_them() {
        let at: Timestamp = "2019-04-02T18:45:49.92Z".parse().unwrap();
        let sql = "INSERT INTO t (a, b, c)\n   VALUES (?, ?, CAST(? AS x))";
        let values = [Value::Text("l'été?"), Value::Number(7), Value::Moment(at)];
        assert_eq!(
            shown(Dialect::MySql, sql, &values),
            "INSERT INTO t (a, b, c) VALUES ('l''été?', 7, CAST('2019-04-02 18:45:49.920000' AS x));"
        );
        let hostile = [Value::Text(r"O'Brien \'; DROP -- %s ? \")];
        assert_eq!(
            shown(Dialect::MySql, "SET a = ?", &hostile),
            r"SET a = 'O''Brien \\''; DROP -- %s ? \\';"
        );
        assert_eq!(
            shown(Dialect::Postgres, "SET a = ?", &hostile),
            r"SET a = 'O''Brien \''; DROP -- %s ? \';"
        );
        assert_eq!(numbered("a = ? AND b = ?"), "a = $1 AND b = $2");
    }
}
