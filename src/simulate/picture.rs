//! Draws arrivals, backlog and tasks over time as an SVG.

use std::fmt::Write as _;

use axis::Axis;

use super::fleet::{Outcome, Sample};
use super::trace::Trace;

mod axis;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 350.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = WIDTH - 60.0;

const ARRIVALS: &str = "#1a7f4b";
const BACKLOG: &str = "#3f6fb0";
const TASKS: &str = "#c05c00";
const GRID: &str = "#dddddd";
const TEXT: &str = "#555555";

/// A part of the picture: from `top` to `bottom`, in user units.
#[derive(Clone, Copy)]
struct Panel {
    top: f64,
    bottom: f64,
}

const UPPER: Panel = Panel { top: 60.0, bottom: 130.0 };
const LOWER: Panel = Panel { top: 170.0, bottom: 310.0 };

/// A picture of one trace: arrivals above; below them the backlog as an area, the tasks as a line.
pub fn draw(trace: &Trace, outcome: &Outcome) -> String {
    let largest = |value: fn(&Sample) -> f64| outcome.minutes.iter().map(value).fold(0.0, f64::max);
    let arrivals = Axis::of_values(largest(|minute| minute.arrivals), false);
    let backlog = Axis::of_values(largest(|minute| minute.backlog), true);
    let tasks = Axis::of_values(largest(|minute| f64::from(minute.tasks)), true);
    let time = Axis::of_minutes(outcome.minutes.len() as f64);

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\" font-weight=\"bold\">{}: {}</text>\n",
        trace.name, trace.description
    );
    UPPER.grid(&mut svg, &time, &arrivals);
    UPPER.area(&mut svg, ARRIVALS, &points(outcome, UPPER, |minute| minute.arrivals / arrivals.end));
    UPPER.left_axis(&mut svg, ARRIVALS, "arrivals (uploads per second)", &arrivals);

    LOWER.grid(&mut svg, &time, &backlog);
    LOWER.area(&mut svg, BACKLOG, &points(outcome, LOWER, |minute| minute.backlog / backlog.end));
    LOWER.left_axis(&mut svg, BACKLOG, "backlog (messages)", &backlog);
    let line = points(outcome, LOWER, |minute| f64::from(minute.tasks) / tasks.end);
    // Writing to a String cannot fail.
    let _ = writeln!(svg, "<polyline points=\"{line}\" fill=\"none\" stroke=\"{TASKS}\" stroke-width=\"2\"/>");
    LOWER.right_axis(&mut svg, TASKS, "tasks", &tasks);
    for (at, words) in &time.ticks {
        text(&mut svg, (x(at / time.end), LOWER.bottom + 18.0), "middle", TEXT, words);
    }
    text(&mut svg, (LEFT.midpoint(RIGHT), LOWER.bottom + 35.0), "middle", TEXT, "time since the start of the trace");
    svg.push_str("</svg>\n");
    svg
}

impl Panel {
    fn y(self, share: f64) -> f64 {
        self.bottom - share * (self.bottom - self.top)
    }

    fn grid(self, svg: &mut String, time: &Axis, values: &Axis) {
        let Self { top, bottom } = self;
        for (at, _) in &values.ticks {
            let y = self.y(at / values.end);
            line(svg, (LEFT, y), (RIGHT, y));
        }
        for (at, _) in &time.ticks {
            let x = x(at / time.end);
            line(svg, (x, top), (x, bottom));
        }
    }

    fn area(self, svg: &mut String, colour: &str, points: &str) {
        let bottom = self.bottom;
        let _ = writeln!(
            svg,
            "<polygon points=\"{LEFT},{bottom} {points} {RIGHT},{bottom}\" fill=\"{colour}\" fill-opacity=\"0.35\" \
             stroke=\"{colour}\"/>"
        );
    }

    fn left_axis(self, svg: &mut String, colour: &str, name: &str, axis: &Axis) {
        text(svg, (LEFT, self.top - 12.0), "start", colour, name);
        for (at, words) in &axis.ticks {
            text(svg, (LEFT - 8.0, self.y(at / axis.end) + 4.0), "end", colour, words);
        }
    }

    fn right_axis(self, svg: &mut String, colour: &str, name: &str, axis: &Axis) {
        text(svg, (RIGHT, self.top - 12.0), "end", colour, name);
        for (at, words) in &axis.ticks {
            text(svg, (RIGHT + 8.0, self.y(at / axis.end) + 4.0), "start", colour, words);
        }
    }
}

fn x(share: f64) -> f64 {
    LEFT + share * (RIGHT - LEFT)
}

fn line(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let _ = writeln!(svg, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{GRID}\"/>");
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, colour: &str, words: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{words}</text>");
}

/// The polyline of a value from 0 to 1. It has at most as many points as the picture has pixels; each is the maximum of
/// its minutes.
fn points(outcome: &Outcome, panel: Panel, share: impl Fn(&Sample) -> f64) -> String {
    let minutes = &outcome.minutes;
    let per_point = minutes.len().div_ceil((RIGHT - LEFT) as usize).max(1);
    let count = minutes.chunks(per_point).len().max(2) as f64;
    let point = |(at, chunk): (usize, &[Sample])| {
        let value = chunk.iter().map(&share).fold(0.0, f64::max);
        format!("{:.1},{:.1}", x(at as f64 / (count - 1.0)), panel.y(value))
    };
    minutes.chunks(per_point).enumerate().map(point).collect::<Vec<_>>().join(" ")
}
