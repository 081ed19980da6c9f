//! What is printed: rows, as a table for people and as JSON for programs.

use serde_json::{Value, json};

use crate::goals::{Goal, goal};

/// A row.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// The work.
    pub name: &'static str,
    /// Which of its figures.
    pub case: String,
    /// The store.
    pub store: &'static str,
    /// Ours.
    pub ours: Option<f64>,
    /// What it is held against.
    pub ceiling: Option<f64>,
    /// Ours to that, or allowed to measured: always better when greater.
    pub ratio: Option<f64>,
    /// The smallest and the greatest ratio of the runs.
    pub spread: Option<(f64, f64)>,
    /// What the ratio must be.
    pub goal: Option<f64>,
    /// Half of the requests took at most so long.
    pub p50_ms: Option<f64>,
    /// Of a hundred requests 99.
    pub p99_ms: Option<f64>,
    /// The server's memory at the end.
    pub rss_mb: Option<f64>,
    /// What must be said beside it.
    pub note: Option<String>,
}

/// Runs of ours and of a ceiling in turn.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    /// Ours.
    pub ours: Vec<f64>,
    /// The ceiling's, as many.
    pub ceiling: Vec<f64>,
    /// Of ours.
    pub p50_ms: Vec<f64>,
    /// Of ours.
    pub p99_ms: Vec<f64>,
}

impl Row {
    /// An empty row.
    pub fn new(name: &'static str, case: impl Into<String>, store: &'static str) -> Self {
        Self {
            name,
            case: case.into(),
            store,
            ..Self::default()
        }
    }

    /// From runs in turn.
    #[must_use]
    pub fn pairs(mut self, pairs: &Pairs) -> Self {
        let ratios: Vec<f64> = pairs
            .ours
            .iter()
            .zip(&pairs.ceiling)
            .map(|(a, b)| a / b)
            .collect();
        let (least, most) = bounds(&ratios);
        self.ours = Some(median(&pairs.ours));
        self.ceiling = Some(median(&pairs.ceiling));
        self.ratio = Some(median(&ratios));
        self.spread = Some((least, most));
        self.p50_ms = (!pairs.p50_ms.is_empty()).then(|| median(&pairs.p50_ms));
        self.p99_ms = (!pairs.p99_ms.is_empty()).then(|| median(&pairs.p99_ms));
        if let Some(Goal::AtLeast(ratio)) = goal(self.name, &self.case, self.store) {
            self.goal = Some(ratio);
        }
        self
    }

    /// From figures that should be small: the ratio is allowed ÷ measured.
    #[must_use]
    pub fn at_most(mut self, figures: &[f64]) -> Self {
        self.ours = Some(median(figures));
        if let Some(Goal::AtMost(allowed)) = goal(self.name, &self.case, self.store) {
            let ratios: Vec<f64> = figures.iter().map(|figure| allowed / figure).collect();
            self.ceiling = Some(allowed);
            self.ratio = Some(median(&ratios));
            self.spread = Some(bounds(&ratios));
            self.goal = Some(1.0);
        }
        self
    }

    /// A figure beside another one, without a goal.
    #[must_use]
    pub fn against(mut self, figure: f64, ceiling: f64) -> Self {
        self.ours = Some(figure);
        self.ceiling = Some(ceiling);
        self.ratio = Some(figure / ceiling);
        self
    }

    /// With the server's memory.
    #[must_use]
    pub fn memory(mut self, rss_mb: f64) -> Self {
        self.rss_mb = Some(rss_mb);
        self
    }

    /// With latencies.
    #[must_use]
    pub fn latencies(mut self, p50_ms: f64, p99_ms: f64) -> Self {
        self.p50_ms = Some(p50_ms);
        self.p99_ms = Some(p99_ms);
        self
    }

    /// With words.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// A work that the server knows nothing of.
    pub fn not_offered(name: &'static str, case: &str, store: &'static str) -> Self {
        Self::new(name, case, store).note("not offered by this server")
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name, "case": self.case, "store": self.store, "ours": self.ours, "ceiling": self.ceiling,
            "ratio": self.ratio, "spread": self.spread.map(|(least, most)| [least, most]), "goal": self.goal,
            "p50_ms": self.p50_ms, "p99_ms": self.p99_ms, "rss_mb": self.rss_mb, "note": self.note,
        })
    }

    /// As a line of the table.
    pub fn line(&self) -> String {
        let verdict = match (self.ratio, self.goal) {
            (Some(ratio), Some(goal)) if ratio >= goal => "reached",
            (Some(_), Some(_)) => "missed",
            _ => "",
        };
        let spread = self.spread.map(|(least, most)| format!("{least:.2}–{most:.2}"));
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            self.name,
            self.case,
            self.store,
            figure(self.ours),
            figure(self.ceiling),
            self.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            spread.unwrap_or_default(),
            self.goal.map_or_else(String::new, |goal| format!("{goal:.2}")),
            self.note.as_deref().map_or_else(
                || verdict.to_owned(),
                |note| [verdict, note].join(" ").trim_start().to_owned()
            ),
            figure(self.p50_ms),
            figure(self.p99_ms),
            figure(self.rss_mb),
        )
    }
}

/// The head of the table.
pub const HEAD: &str = "\
| work | case | store | ours | ceiling | ratio | spread | goal | | p50 ms | p99 ms | rss MB |
| --- | --- | --- | ---: | ---: | ---: | --- | ---: | --- | ---: | ---: | ---: |";

/// All rows for programs.
pub fn document(rows: &[Row]) -> String {
    let works: Vec<Value> = rows.iter().map(Row::json).collect();
    json!({ "works": works }).to_string()
}

/// The one in the middle, or the mean of the two that are.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count => f64::midpoint(sorted[(count - 1) / 2], sorted[count / 2]),
    }
}

fn bounds(figures: &[f64]) -> (f64, f64) {
    let least = figures.iter().copied().fold(f64::INFINITY, f64::min);
    let most = figures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (least, most)
}

/// Three digits that count, thousands apart.
fn figure(figure: Option<f64>) -> String {
    match figure {
        None => String::new(),
        Some(figure) if figure >= 1_000.0 => {
            let digits = format!("{figure:.0}");
            let mut text = String::new();
            for (at, digit) in digits.chars().enumerate() {
                if at > 0 && (digits.len() - at).is_multiple_of(3) {
                    text.push(',');
                }
                text.push(digit);
            }
            text
        }
        Some(figure) if figure >= 100.0 => format!("{figure:.0}"),
        Some(figure) if figure >= 10.0 => format!("{figure:.1}"),
        Some(figure) => format!("{figure:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_better_when_greater() {
        let pairs = Pairs {
            ours: vec![50.0, 60.0, 70.0],
            ceiling: vec![100.0, 100.0, 100.0],
            ..Pairs::default()
        };
        let row = Row::new("profile-get", "uniform", "sqlite").pairs(&pairs);
        assert_eq!(
            (row.ratio, row.spread, row.goal),
            (Some(0.6), Some((0.5, 0.7)), Some(0.6))
        );
        let row = Row::new("start", "ready, s", "sqlite").at_most(&[0.3]);
        assert_eq!((row.ratio, row.goal), (Some(0.5), Some(1.0)));
        let none = Row::new("organization-get", "uniform", "sqlite").pairs(&pairs);
        assert_eq!(none.goal, None);
    }

    #[test]
    fn programs_read_what_people_do() {
        let row = Row::new("memory", "idle, MB", "sqlite").at_most(&[15.0]);
        let read: Value = serde_json::from_str(&document(&[row])).unwrap();
        let work = &read["works"][0];
        assert_eq!(
            (work["name"].as_str(), work["ratio"].as_f64()),
            (Some("memory"), Some(2.0))
        );
        assert!(work["p99_ms"].is_null());
        assert_eq!(figure(Some(1_234_567.0)), "1,234,567");
        assert_eq!(median(&[3.0, 1.0, 2.0, 10.0]), 2.5);
    }
}
