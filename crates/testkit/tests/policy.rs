//! The rules for the repository itself: what may be depended on (`deny.toml` holds the lists), and what no
//! committed file may say.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

/// The only place that crates come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// Crates in Cargo.lock, on all platforms and with those for tests: each is code that somebody must trust.
const PACKAGES_MAX: usize = 245;
/// Crates that the binary or its build needs, on all platforms.
const SHIPPED_MAX: usize = 235;

#[test]
fn licences_are_allowed() {
    let deny = deny();
    let allowed: BTreeSet<&str> = deny["licenses"]["allow"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l.as_str().unwrap())
        .collect();
    let mut problems = Vec::new();
    for package in packages(&metadata()) {
        match package["license"].as_str() {
            Some(licence) if licence_is_allowed(licence, &allowed) => {}
            licence => problems.push(format!(
                "{}: {}",
                id(package),
                licence.unwrap_or("says no licence")
            )),
        }
    }
    assert_none(&problems, "licences that deny.toml does not allow");
}

#[test]
fn crates_come_from_the_registry_or_from_here() {
    let deny = deny();
    for rule in ["unknown-registry", "unknown-git"] {
        assert_eq!(deny["sources"][rule], "deny", "deny.toml, sources.{rule}");
    }
    assert_eq!(
        deny["sources"]["allow-git"],
        Value::Array(Vec::new()),
        "deny.toml, sources.allow-git"
    );
    let root = root();
    let mut problems = Vec::new();
    for package in packages(&metadata()) {
        let here = || Path::new(package["manifest_path"].as_str().unwrap()).starts_with(&root);
        match package["source"].as_str() {
            Some(REGISTRY) => {}
            None if here() => {}
            source => problems.push(format!(
                "{}: {}",
                id(package),
                source.unwrap_or("a path outside of the repository")
            )),
        }
    }
    assert_none(&problems, "crates from elsewhere");
}

#[test]
fn no_crate_is_there_twice() {
    let deny = deny();
    assert_eq!(
        deny["bans"]["multiple-versions"], "deny",
        "deny.toml, bans.multiple-versions"
    );
    let metadata = metadata();
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for package in packages(&metadata) {
        let version = compatible(package["version"].as_str().unwrap());
        versions
            .entry(package["name"].as_str().unwrap())
            .or_default()
            .insert(version);
    }
    let mut problems = Vec::new();
    let mut skipped: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for entry in deny["bans"]["skip"].as_array().unwrap() {
        let spec = entry["crate"].as_str().unwrap_or_default();
        let (name, version) = spec.split_once([':', '@']).unwrap_or((spec, ""));
        let version = compatible(version.trim_start_matches(['=', '^', '~']));
        if entry["reason"].as_str().is_none_or(str::is_empty) {
            problems.push(format!("deny.toml gives no reason for {spec}"));
        }
        if versions
            .get(name)
            .is_none_or(|found| found.len() < 2 || !found.contains(&version))
        {
            problems.push(format!("deny.toml skips {spec}, which is no duplicate any more"));
        }
        skipped.entry(name).or_default().insert(version);
    }
    for (name, found) in versions {
        let known = skipped.get(name);
        let left: Vec<_> = found
            .iter()
            .filter(|v| known.is_none_or(|known| !known.contains(*v)))
            .collect();
        if left.len() > 1 {
            problems.push(format!(
                "{name} is there as {found:?}; see `cargo tree --duplicates`"
            ));
        }
    }
    assert_none(&problems, "duplicates that deny.toml does not know");
}

#[test]
fn crates_stay_few() {
    let metadata = metadata();
    let all = packages(&metadata).count();
    let shipped = shipped(&metadata);
    println!("{all} crates, {shipped} of them for the binary");
    assert!(
        all <= PACKAGES_MAX,
        "{all} crates in Cargo.lock, {PACKAGES_MAX} at most: which can go?"
    );
    assert!(
        shipped <= SHIPPED_MAX,
        "{shipped} crates for the binary, {SHIPPED_MAX} at most: which can go?"
    );
}

#[test]
fn files_say_nothing_about_machines() {
    // In pieces, so that this file does not say it either.
    let unwanted = [
        concat!("/wo", "rk/"),
        concat!("/fa", "rm/"),
        concat!("/tmp", "/wt"),
        concat!("/root", "/"),
        concat!("index.", "crates.io"),
        concat!("static.", "crates.io"),
        concat!("replace", "-with"),
    ];
    let mut problems = Vec::new();
    for (name, text) in tracked_texts() {
        for (number, line) in text.lines().enumerate() {
            for word in unwanted.iter().filter(|word| line.contains(**word)) {
                problems.push(format!("{name}:{}: {word}", number + 1));
            }
        }
    }
    assert_none(&problems, "paths of a machine or hosts of a registry");
}

#[test]
fn sources_have_headers_and_no_unsafe_code() {
    let mut problems = Vec::new();
    for (name, text) in tracked_texts() {
        let parts: Vec<&str> = name.split('/').collect();
        let (["crates", _, "src", .., file] | ["bench", "src", .., file]) = parts.as_slice() else {
            continue;
        };
        if !file.ends_with(".rs") {
            continue;
        }
        if !text.starts_with("//! ") {
            problems.push(format!(
                "{name} does not start with a //! header that says what it is for"
            ));
        }
        let is_root = matches!(parts.as_slice(), ["crates", _, _, _] | ["bench", _, _])
            && ["main.rs", "lib.rs"].contains(file);
        if is_root && !text.lines().any(|line| line == "#![forbid(unsafe_code)]") {
            problems.push(format!("{name} has no #![forbid(unsafe_code)]"));
        }
    }
    assert_none(&problems, "sources that break the rules of the house");
}

fn assert_none(problems: &[String], what: &str) {
    assert!(problems.is_empty(), "{what}:\n  {}", problems.join("\n  "));
}

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the workspace is two folders up")
}

fn deny() -> Value {
    let text = fs::read_to_string(root().join("deny.toml")).expect("deny.toml stands at the root");
    toml(&text).expect("deny.toml can be read; the error is where that ends")
}

fn metadata() -> Value {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--format-version", "1", "--locked", "--offline"];
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo can be run");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "cargo metadata failed; `cargo fetch --locked` brings what it needs once\n{stderr}"
    );
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"]
        .as_array()
        .expect("metadata has packages")
        .iter()
}

fn id(package: &Value) -> String {
    let text = |name: &str| package[name].as_str().unwrap_or("?").to_owned();
    format!("{} {}", text("name"), text("version"))
}

/// The crates that `guildhall` reaches without dev-dependencies, itself not counted.
fn shipped(metadata: &Value) -> usize {
    let nodes: BTreeMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()
        .expect("metadata has nodes")
        .iter()
        .filter_map(|node| Some((node["id"].as_str()?, node)))
        .collect();
    let binary = packages(metadata)
        .find(|package| package["name"] == "guildhall")
        .expect("the binary's crate");
    let mut waiting = vec![binary["id"].as_str().expect("a package has an id")];
    let mut reached = BTreeSet::new();
    while let Some(next) = waiting.pop() {
        for dependency in nodes[next]["deps"].as_array().into_iter().flatten() {
            let kinds = dependency["dep_kinds"].as_array();
            let needed = kinds.into_iter().flatten().any(|kind| kind["kind"] != "dev");
            if let Some(package) = dependency["pkg"].as_str().filter(|_| needed)
                && reached.insert(package)
            {
                waiting.push(package);
            }
        }
    }
    reached.len()
}

/// The part of a version within which Cargo keeps one copy: `2` of `2.1.0`, `0.3` of `0.3.1`.
fn compatible(version: &str) -> String {
    let mut parts = version.split(['.', '-', '+']);
    let mut kept = Vec::new();
    for part in parts.by_ref().take(3) {
        kept.push(part);
        if part != "0" {
            break;
        }
    }
    kept.join(".")
}

/// Whether an SPDX expression can be fulfilled with the allowed licences. `/` is an old spelling of OR.
fn licence_is_allowed(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any_of(&mut rest, allowed) == Some(true) && rest.is_empty()
}

fn any_of(words: &mut &[&str], allowed: &BTreeSet<&str>) -> Option<bool> {
    let mut result = all_of(words, allowed)?;
    while let Some(("OR", rest)) = words.split_first().map(|(word, rest)| (*word, rest)) {
        *words = rest;
        result |= all_of(words, allowed)?;
    }
    Some(result)
}

fn all_of(words: &mut &[&str], allowed: &BTreeSet<&str>) -> Option<bool> {
    let mut result = one(words, allowed)?;
    while let Some(("AND", rest)) = words.split_first().map(|(word, rest)| (*word, rest)) {
        *words = rest;
        result &= one(words, allowed)?;
    }
    Some(result)
}

fn one(words: &mut &[&str], allowed: &BTreeSet<&str>) -> Option<bool> {
    let (&first, rest) = words.split_first()?;
    *words = rest;
    if first == "(" {
        let result = any_of(words, allowed)?;
        let (&last, rest) = words.split_first()?;
        *words = rest;
        return (last == ")").then_some(result);
    }
    if let ["WITH", exception, rest @ ..] = *words {
        *words = rest;
        return Some(allowed.contains(format!("{first} WITH {exception}").as_str()));
    }
    (![")", "OR", "AND", "WITH"].contains(&first)).then(|| allowed.contains(first))
}

/// The text files under version control. None where there is no repository, as in an unpacked archive.
fn tracked_texts() -> Vec<(String, String)> {
    let root = root();
    if !root.join(".git").exists() {
        return Vec::new();
    }
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(&root)
        .output()
        .expect("git can be run");
    assert!(
        output.status.success(),
        "git ls-files: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let names = String::from_utf8(output.stdout).expect("file names are UTF-8");
    let texts: Vec<_> = names
        .split_terminator('\0')
        .filter_map(|name| {
            let text = String::from_utf8(fs::read(root.join(name)).ok()?).ok()?;
            (!text.contains('\0')).then(|| (name.to_owned(), text))
        })
        .collect();
    assert!(texts.len() > 10, "git ls-files found only {} texts", texts.len());
    texts
}

/// Reads as much TOML as `deny.toml` needs: tables, strings without escapes, booleans, whole numbers, arrays
/// and inline tables. The error is what could not be read.
fn toml(text: &str) -> Result<Value, String> {
    let mut document = Value::Object(serde_json::Map::new());
    let mut table = String::new();
    let mut rest = skip(text);
    while !rest.is_empty() {
        if let Some(header) = rest.strip_prefix('[') {
            let (name, after) = header
                .split_once(']')
                .filter(|(name, _)| is_key(name))
                .ok_or_else(|| excerpt(rest))?;
            table = name.to_owned();
            rest = skip(after);
        } else {
            let (key, value, after) = pair(rest)?;
            let place = if table.is_empty() {
                &mut document[key]
            } else {
                &mut document[&table][key]
            };
            if !place.is_null() {
                return Err(format!("{key} a second time"));
            }
            *place = value;
            rest = skip(after);
        }
    }
    Ok(document)
}

/// Without the white space and comments at its start.
fn skip(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        match text.strip_prefix('#') {
            Some(comment) => text = comment.split_once('\n').map_or("", |(_, rest)| rest),
            None => return text,
        }
    }
}

fn is_key(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn excerpt(text: &str) -> String {
    text.chars().take(40).collect()
}

fn pair(text: &str) -> Result<(&str, Value, &str), String> {
    let (key, after) = text.split_once('=').ok_or_else(|| excerpt(text))?;
    let key = key.trim();
    if !is_key(key) {
        return Err(excerpt(text));
    }
    let (value, rest) = value(skip(after))?;
    Ok((key, value, rest))
}

fn value(text: &str) -> Result<(Value, &str), String> {
    if let Some(inside) = text.strip_prefix('"') {
        let (string, rest) = inside.split_once('"').ok_or_else(|| excerpt(text))?;
        if string.contains(['\\', '\n']) {
            return Err(excerpt(text));
        }
        return Ok((string.into(), rest));
    }
    if let Some(inside) = text.strip_prefix('[') {
        let mut items = Vec::new();
        let rest = list(inside, ']', |rest| {
            let (item, rest) = value(rest)?;
            items.push(item);
            Ok(rest)
        })?;
        return Ok((items.into(), rest));
    }
    if let Some(inside) = text.strip_prefix('{') {
        let mut members = serde_json::Map::new();
        let rest = list(inside, '}', |rest| {
            let (key, value, rest) = pair(rest)?;
            members.insert(key.to_owned(), value);
            Ok(rest)
        })?;
        return Ok((members.into(), rest));
    }
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(text.len());
    let plain = serde_json::from_str(&text[..end]).map_err(|_| excerpt(text))?;
    Ok((plain, &text[end..]))
}

/// Reads items with commas between them, to the end of the list; returns what follows.
fn list<'a>(
    text: &'a str,
    end: char,
    mut item: impl FnMut(&'a str) -> Result<&'a str, String>,
) -> Result<&'a str, String> {
    let mut rest = skip(text);
    loop {
        if let Some(after) = rest.strip_prefix(end) {
            return Ok(after);
        }
        rest = skip(item(rest)?);
        match rest.strip_prefix(',') {
            Some(after) => rest = skip(after),
            None if rest.starts_with(end) => {}
            None => return Err(excerpt(rest)),
        }
    }
}

#[test]
fn the_small_parsers_are_right() {
    let read = toml("# c\na = 1\n[b]\nc-d = [ \"x#y\", # why\n  { e = true, f = \"g\" },\n]\n").unwrap();
    assert_eq!(
        read,
        serde_json::json!({"a": 1, "b": {"c-d": ["x#y", {"e": true, "f": "g"}]}})
    );
    for wrong in [
        "[a",
        "a",
        "a = ",
        "a = [1 2]",
        "a = \"\\n\"",
        "a = 1\na = 2",
        "a b = 1",
    ] {
        assert!(toml(wrong).is_err(), "{wrong}");
    }

    let allowed = BTreeSet::from(["MIT", "Zlib", "Apache-2.0 WITH LLVM-exception"]);
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0/MIT", true),
        ("MIT OR GPL-3.0 AND Zlib", true),
        ("(MIT OR GPL-3.0) AND BSD-3-Clause", false),
        ("(GPL-3.0 OR MIT) AND Zlib", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
        ("MIT Zlib", false),
        ("MIT AND", false),
        ("(MIT", false),
        ("", false),
    ] {
        assert_eq!(licence_is_allowed(expression, &allowed), expected, "{expression}");
    }

    for (version, expected) in [("2.0.119", "2"), ("2", "2"), ("0.3.1", "0.3"), ("0.0.7", "0.0.7")] {
        assert_eq!(compatible(version), expected);
    }
}
