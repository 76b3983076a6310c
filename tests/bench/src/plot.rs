//! `docs/benchmarks.svg`: rows per second of each way into the database, in one picture.
//!
//! Bars on a logarithmic scale, since the ways differ by orders of magnitude; each bar has its number, so that nobody
//! has to read the scale. The colours follow the reader's light or dark mode.

use crate::{
    results::{Figure, Results},
    statistics::median,
};

const WIDTH: f64 = 760.0;
const LABELS: f64 = 210.0;
const BAR: f64 = 26.0;
const GAP: f64 = 12.0;
const TOP: f64 = 44.0;
/// Room for the number behind the longest bar.
const NUMBER: f64 = 110.0;

const STYLE: &str = "
    text { font: 14px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600 } .scale { font-size: 12px }
    .other { fill: #8c959f } .own { fill: #0969da } .line { stroke: #d0d7de }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 } .other { fill: #6e7681 } .own { fill: #4493f8 } .line { stroke: #30363d }
    }";

/// A bar: what it stands for, rows per second, and whether it is Sluice's.
type Bar = (&'static str, f64, bool);

/// The picture; without results one without bars.
pub fn svg(results: &Results) -> String {
    let bars = bars(results);
    let rows = f64::from(u32::try_from(bars.len()).unwrap_or(0));
    let height = TOP + rows * (BAR + GAP) + 34.0;
    let largest = bars.iter().map(|(_, rate, _)| *rate).fold(10.0, f64::max);
    let decades = largest.log10().ceil();
    let along = |rate: f64| (rate.max(1.0).log10() / decades) * (WIDTH - LABELS - NUMBER);
    let mut parts = vec![
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0}" width="{WIDTH}" role="img" aria-label="Rows per second of each way into the database">"#
        ),
        format!("<style>{STYLE}</style>"),
        r#"<text class="title" x="0" y="20">Rows per second into MariaDB, size M, logarithmic</text>"#.to_owned(),
    ];
    let mut decade = 10.0;
    while decade <= largest * 1.001 {
        let x = LABELS + along(decade);
        let bottom = height - 26.0;
        parts.push(format!(r#"<line class="line" x1="{x:.1}" x2="{x:.1}" y1="{TOP}" y2="{bottom:.0}"/>"#));
        parts.push(format!(
            r#"<text class="scale" x="{x:.1}" y="{:.0}" text-anchor="middle">{}</text>"#,
            height - 8.0,
            grouped(decade)
        ));
        decade *= 10.0;
    }
    let mut y = TOP;
    for (name, rate, own) in &bars {
        let (width, class) = (along(*rate), if *own { "own" } else { "other" });
        let middle = y + BAR * 0.7;
        parts.push(format!(r#"<text x="{:.0}" y="{middle:.1}" text-anchor="end">{name}</text>"#, LABELS - 10.0));
        parts.push(format!(
            r#"<rect class="{class}" x="{LABELS}" y="{y:.1}" width="{width:.1}" height="{BAR}" rx="3"/>"#
        ));
        parts.push(format!(r#"<text x="{:.1}" y="{middle:.1}">{}</text>"#, LABELS + width + 8.0, grouped(*rate)));
        y += BAR + GAP;
    }
    parts.push("</svg>\n".to_owned());
    parts.join("\n")
}

/// From the slowest way to the floor.
fn bars(results: &Results) -> Vec<Bar> {
    let at_m = |name: &'static str| results.of(name).find(|figure| figure.size == "M");
    let rate = |figure: Option<&Figure>, what: &str| {
        let values = figure.map_or(&[][..], |figure| figure.values(what));
        (!values.is_empty()).then(|| median(values))
    };
    let bars = [
        ("sequential script", rate(at_m("old-way"), "script"), false),
        ("Kafka Connect, upsert", rate(at_m("peers"), "JDBC sink, upsert"), false),
        ("Kafka Connect, insert", rate(at_m("peers"), "JDBC sink, insert"), false),
        ("Sluice", rate(at_m("load"), "Sluice"), true),
        ("LOAD DATA LOCAL × 4", rate(at_m("load"), "floor"), false),
    ];
    bars.into_iter().filter_map(|(name, rate, own)| rate.map(|rate| (name, rate, own))).collect()
}

fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
