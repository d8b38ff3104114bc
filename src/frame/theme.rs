//! The reader's choice of a theme: the system's, light or dark.

use leptos::ev::MouseEvent;
use leptos::prelude::*;
use leptos::server_fn::ServerFn as _;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::ui::icon::{Icon, Shape};
use crate::ui::platform;

/// The look a reader chose; kept in the cookie `theme`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    /// What the reader's system says.
    #[default]
    System,
    /// Dark words on light ground.
    Light,
    /// Light words on dark ground.
    Dark,
}

impl Theme {
    /// All of them, in the order of the switch.
    pub const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// The word in the cookie and in the form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::System => "Theme of the system",
            Self::Light => "Light theme",
            Self::Dark => "Dark theme",
        }
    }

    const fn shape(self) -> Shape {
        match self {
            Self::System => Shape::Screen,
            Self::Light => Shape::Sun,
            Self::Dark => Shape::Moon,
        }
    }

    /// The theme of that name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.as_str() == word)
    }

    /// The document's `data-theme`; none leaves it to the system.
    #[must_use]
    pub fn attribute(self) -> Option<&'static str> {
        (self != Self::System).then(|| self.as_str())
    }

    /// The document's `color-scheme`.
    #[must_use]
    pub const fn color_scheme(self) -> &'static str {
        match self {
            Self::System => "light dark",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// The cookie that keeps the choice for a year, and none for the system's: then
    /// the one that was there ends. The page's own script writes it too.
    #[must_use]
    pub fn to_cookie(self) -> String {
        let max_age_secs = if self == Self::System { 0 } else { 365 * 24 * 60 * 60 };
        format!("theme={}; Path=/; Max-Age={max_age_secs}; SameSite=Lax", self.as_str())
    }

    /// The choice in a `Cookie` header; what is unknown there is no choice.
    #[must_use]
    pub fn of_cookies(header: &str) -> Self {
        header
            .split(';')
            .filter_map(|cookie| cookie.trim().strip_prefix("theme="))
            .find_map(Self::parse)
            .unwrap_or_default()
    }
}

/// Keeps the reader's choice of a theme in a cookie, for a page without JavaScript;
/// public.
///
/// # Errors
/// `invalid_request` for a theme that there is not.
#[server(prefix = "/api", endpoint = "set_theme")]
pub async fn set_theme(
    /// Its word.
    theme: String,
) -> Result<()> {
    use crate::error::{AppError, answer};

    answer(async {
        let theme = Theme::parse(&theme)
            .ok_or_else(|| AppError::invalid("Choose one of the themes: system, light or dark."))?;
        if let (Some(options), Ok(cookie)) = (
            use_context::<leptos_axum::ResponseOptions>(),
            http::HeaderValue::from_str(&theme.to_cookie()),
        ) {
            options.append_header(http::header::SET_COOKIE, cookie);
        }
        Ok(())
    })
    .await
}

/// System, light or dark: at once in the browser, by a form without it.
#[component]
pub(super) fn ThemeSwitch(chosen: Theme) -> impl IntoView {
    let chosen = RwSignal::new(chosen);
    let choose = move |event: MouseEvent, theme: Theme| {
        event.prevent_default();
        chosen.set(theme);
        platform::set_theme(theme.attribute(), &theme.to_cookie());
    };
    view! {
        <form method="post" action=SetTheme::url()>
            <div class="segmented theme-switch" role="group" aria-label="Theme">
                {Theme::ALL
                    .into_iter()
                    .map(|theme| view! {
                        <button
                            type="submit"
                            name="theme"
                            value=theme.as_str()
                            title=theme.label()
                            aria-label=theme.label()
                            aria-pressed=move || (chosen.get() == theme).to_string()
                            on:click=move |event| choose(event, theme)
                        >
                            <Icon shape=theme.shape() />
                        </button>
                    })
                    .collect_view()}
            </div>
        </form>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_theme_is_read_from_among_other_cookies() {
        assert_eq!(Theme::of_cookies("a=1; theme=dark; b=theme=light"), Theme::Dark);
        assert_eq!(Theme::of_cookies("theme=light"), Theme::Light);
    }

    #[test]
    fn a_theme_that_does_not_exist_is_no_choice() {
        for header in ["", "theme=", "theme=\"><script>", "mytheme=dark", "theme=DARK"] {
            assert_eq!(Theme::of_cookies(header), Theme::System, "{header:?}");
        }
    }

    #[test]
    fn a_choice_is_kept_for_a_year_and_the_systems_not_at_all() {
        assert_eq!(
            Theme::Dark.to_cookie(),
            "theme=dark; Path=/; Max-Age=31536000; SameSite=Lax"
        );
        assert!(Theme::System.to_cookie().contains("; Max-Age=0;"));
    }

    #[test]
    fn only_a_choice_is_written_into_the_document() {
        assert_eq!(Theme::System.attribute(), None);
        assert_eq!(Theme::Dark.attribute(), Some("dark"));
    }
}
