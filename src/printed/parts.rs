//! What printed pages share.

use leptos::prelude::*;

/// A page that was printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// For the window.
    pub title: String,
    /// Everything inside the frame.
    pub html: String,
}

impl Printed {
    /// Prints a view, outside of any page.
    pub fn of<V: IntoView>(title: impl Into<String>, view: impl FnOnce() -> V) -> Self {
        Self {
            title: title.into(),
            html: Owner::new().with(|| view().to_html()),
        }
    }
}

/// What a form came to, for the top of its page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It is done.
    Done(String),
    /// It is not.
    Wrong(String),
}

/// Read out as soon as the page is there; the focus is on it.
pub fn noticed(notice: Notice) -> AnyView {
    match notice {
        Notice::Done(text) => {
            view! { <p class="notice notice-good" role="status" tabindex="-1" autofocus>{text}</p> }.into_any()
        }
        Notice::Wrong(text) => {
            view! { <p class="notice notice-bad" role="alert" tabindex="-1" autofocus>{text}</p> }.into_any()
        }
    }
}

/// The page's one `<h1>`, with a sentence on what the page is for.
pub fn header(title: &str, lead: &str) -> AnyView {
    view! {
        <header class="page-header">
            <div>
                <h1>{title.to_owned()}</h1>
                <p class="lead">{lead.to_owned()}</p>
            </div>
        </header>
    }
    .into_any()
}

/// `17 B`, `12.3 kB`, `4.5 MB`, `6.7 GB`
#[must_use]
pub fn bytes(bytes: i64) -> String {
    match bytes {
        ..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// A count as it is read: `1,234,567`.
#[must_use]
pub fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn a_count_has_a_comma_before_each_three_digits() {
        let counts = [0, 999, 1_000, 345_851, -12_345, i64::MAX];
        let told = ["0", "999", "1,000", "345,851", "-12,345", "9,223,372,036,854,775,807"];
        assert_eq!(counts.map(count), told);
    }
}
