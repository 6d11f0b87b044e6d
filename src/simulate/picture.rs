//! Draws tasks and backlog over time as an SVG.

use std::fmt::Write as _;

use super::fleet::{Outcome, Sample};
use super::trace::Trace;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = WIDTH - 60.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = HEIGHT - 30.0;

const BACKLOG: &str = "#8ab8ff";
const TASKS: &str = "#d9730d";

/// A picture of one trace: the backlog as an area, the tasks as a line.
pub fn draw(trace: &Trace, outcome: &Outcome) -> String {
    let most_backlog = most(outcome, |minute| minute.backlog);
    let most_tasks = most(outcome, |minute| f64::from(minute.tasks));
    let backlog = points(outcome, |minute| minute.backlog / most_backlog);
    let tasks = points(outcome, |minute| f64::from(minute.tasks) / most_tasks);
    let hours = outcome.minutes.len() as f64 / 60.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    // Writing to a String cannot fail.
    let _ = write!(
        svg,
        "<text x=\"{LEFT}\" y=\"20\" font-size=\"14\" font-weight=\"bold\">{}: {}</text>\n\
         <polygon points=\"{LEFT},{BOTTOM} {backlog} {RIGHT},{BOTTOM}\" fill=\"{BACKLOG}\" fill-opacity=\"0.6\"/>\n\
         <polyline points=\"{tasks}\" fill=\"none\" stroke=\"{TASKS}\" stroke-width=\"2\"/>\n\
         <line x1=\"{LEFT}\" y1=\"{BOTTOM}\" x2=\"{RIGHT}\" y2=\"{BOTTOM}\" stroke=\"#777777\"/>\n",
        trace.name, trace.meaning
    );
    for (x, anchor, y, colour, words) in [
        (LEFT - 6.0, "end", TOP + 10.0, "#3f6fb0", format!("{most_backlog:.0}")),
        (LEFT - 6.0, "end", TOP + 26.0, "#3f6fb0", "backlog".to_owned()),
        (RIGHT + 6.0, "start", TOP + 10.0, TASKS, format!("{most_tasks:.0}")),
        (RIGHT + 6.0, "start", TOP + 26.0, TASKS, "tasks".to_owned()),
        (LEFT, "start", BOTTOM + 18.0, "#777777", "0 h".to_owned()),
        (RIGHT, "end", BOTTOM + 18.0, "#777777", format!("{hours:.1} h")),
    ] {
        let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{words}</text>");
    }
    svg.push_str("</svg>\n");
    svg
}

fn most(outcome: &Outcome, value: impl Fn(&Sample) -> f64) -> f64 {
    outcome.minutes.iter().map(value).fold(1.0, f64::max)
}

/// The line of a value from 0 to 1; no more points than the picture has pixels, each the largest of its minutes.
fn points(outcome: &Outcome, share: impl Fn(&Sample) -> f64) -> String {
    let minutes = &outcome.minutes;
    let per_point = minutes.len().div_ceil((RIGHT - LEFT) as usize).max(1);
    let count = minutes.chunks(per_point).len().max(2) as f64;
    let place = |(at, chunk): (usize, &[Sample])| {
        let value = chunk.iter().map(&share).fold(0.0, f64::max);
        let x = LEFT + at as f64 / (count - 1.0) * (RIGHT - LEFT);
        format!("{x:.1},{:.1}", BOTTOM - value * (BOTTOM - TOP))
    };
    minutes.chunks(per_point).enumerate().map(place).collect::<Vec<_>>().join(" ")
}
