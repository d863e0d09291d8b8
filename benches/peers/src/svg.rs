//! As much SVG as the plots need. Colours follow the reader's light or dark theme.

use std::fmt::Write as _;

/// A picture under construction, in pixels from the upper left corner.
pub struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// Where a text is anchored.
#[derive(Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// What is drawn at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Circle,
    Square,
    Diamond,
    Triangle,
}

const STYLE: &str = "
text{font:12px system-ui,sans-serif;fill:#24292f}
.title{font-size:15px;font-weight:600}
.small{font-size:11px;fill:#57606a}
.ours-text{font-weight:700;fill:#cf222e}
.grid{stroke:#d0d7de;stroke-width:1}
.floor{stroke:#57606a;stroke-width:1.5;stroke-dasharray:4 3}
.bar{fill:#8c959f}
.bar.floor-bar{fill:#c8cdd3}
.ours{fill:#cf222e;stroke:#cf222e}
.hollow{fill:none}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}
.small{fill:#9198a1}
.ours-text{fill:#ff7b72}
.grid{stroke:#3d444d}
.floor{stroke:#9198a1}
.bar{fill:#6e7681}
.bar.floor-bar{fill:#3d444d}
.ours{fill:#ff7b72;stroke:#ff7b72}
.hollow{fill:none}
}
";

impl Svg {
    pub fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    pub fn text(&mut self, x: f64, y: f64, anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            self.body,
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" class="{class}">{text}</text>"#
        );
    }

    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(
            self.body,
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" class="{class}"/>"#
        );
    }

    pub fn bar(&mut self, x: f64, y: f64, width: f64, height: f64, class: &str) {
        let _ = writeln!(
            self.body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" class="{class}"/>"#
        );
    }

    /// `colour` is left out for what has it from its class; `title` shows when pointed at.
    pub fn mark(&mut self, at: (f64, f64), mark: Mark, size: f64, paint: Paint<'_>, title: &str) {
        let (x, y) = at;
        let Paint { class, colour, is_hollow } = paint;
        let style = match (colour, is_hollow) {
            ("", _) => String::new(),
            (colour, true) => format!(r#" fill="none" stroke="{colour}""#),
            (colour, false) => format!(r#" fill="{colour}" stroke="{colour}""#),
        };
        let path = match mark {
            Mark::Circle => {
                format!(
                    "M{:.1} {y:.1}a{size} {size} 0 1 0 {} 0a{size} {size} 0 1 0 -{} 0",
                    x - size,
                    2.0 * size,
                    2.0 * size
                )
            }
            Mark::Square => {
                let side = 1.7 * size;
                format!(
                    "M{:.1} {:.1}h{side:.1}v{side:.1}h-{side:.1}z",
                    x - side / 2.0,
                    y - side / 2.0
                )
            }
            Mark::Diamond => {
                let half = 1.3 * size;
                format!(
                    "M{:.1} {y:.1}l{half:.1} -{half:.1}l{half:.1} {half:.1}l-{half:.1} {half:.1}z",
                    x - half
                )
            }
            Mark::Triangle => {
                let half = 1.15 * size;
                format!(
                    "M{:.1} {:.1}h{:.1}l-{half:.1} -{:.1}z",
                    x - half,
                    y + half * 0.8,
                    2.0 * half,
                    1.8 * half
                )
            }
        };
        let title = title.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            self.body,
            r#"<path d="{path}" class="{class}"{style} stroke-width="1.5"><title>{title}</title></path>"#
        );
    }

    pub fn finish(self) -> String {
        let Self { width, height, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             width=\"{width:.0}\" height=\"{height:.0}\">\n<style>{STYLE}</style>\n{body}</svg>\n"
        )
    }
}

/// How a mark is filled.
#[derive(Clone, Copy)]
pub struct Paint<'a> {
    pub class: &'a str,
    pub colour: &'a str,
    pub is_hollow: bool,
}
