//! What surrounds every page: the links to the others, the banner of the demo
//! Odoo, the theme switch and the way out. All of it works without JavaScript.

use leptos::form::ActionForm;
use leptos::html;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::{A, Outlet};
use leptos_router::hooks::use_location;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::session::server_fns::SignOut;
use crate::ui::icon::{Icon, Logo, Shape};
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

/// What the frame shows of the bridge and its reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameInfo {
    /// Who is signed in, if anybody is.
    pub email: Option<String>,
    /// Whether the Odoo behind the bridge is the built-in one.
    pub demo: bool,
    /// The bridge's version.
    pub version: String,
    /// The reader's choice.
    pub theme: Theme,
}

/// What the frame shows; public, for the pages of signing in have a frame too.
///
/// # Errors
/// `internal` outside of a request.
#[server(prefix = "/api", endpoint = "get_frame", input = server_fn::codec::Json)]
pub async fn get_frame() -> Result<FrameInfo> {
    use crate::error::answer;
    use crate::session::guard::signed_in;
    use crate::state::state;

    answer(async {
        let cookies = use_context::<http::request::Parts>()
            .and_then(|parts| parts.headers.get(http::header::COOKIE)?.to_str().map(str::to_owned).ok());
        Ok(FrameInfo {
            email: signed_in().ok().map(|user| user.email),
            demo: state()?.is_demo(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            theme: cookies.map(|header| Theme::of_cookies(&header)).unwrap_or_default(),
        })
    })
    .await
}

/// Keeps the reader's choice of a theme in a cookie for a year; public.
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
        let theme =
            Theme::parse(&theme).ok_or_else(|| AppError::invalid("Choose one of the themes: system, light or dark."))?;
        let max_age_secs = if theme == Theme::System { 0 } else { 365 * 24 * 60 * 60 };
        let cookie = format!("theme={}; Path=/; Max-Age={max_age_secs}; SameSite=Lax; HttpOnly", theme.as_str());
        if let (Some(options), Ok(cookie)) =
            (use_context::<leptos_axum::ResponseOptions>(), http::HeaderValue::from_str(&cookie))
        {
            options.append_header(http::header::SET_COOKIE, cookie);
        }
        Ok(())
    })
    .await
}

/// The frame with the page inside.
#[component]
pub fn Frame() -> impl IntoView {
    let info = Resource::new(|| (), |()| get_frame());
    let main = NodeRef::<html::Main>::new();
    focus_on_arrival(main);
    view! {
        // The browser itself follows it: only then does the focus go along.
        <a class="skip-link" href="#main" rel="external">
            "Skip to the content"
        </a>
        <Banner info />
        <header class="site-header">
            <div class="site-header-inner">
                <a class="brand" href="/keys">
                    <Logo />
                    "Odoo Bridge"
                </a>
                <nav aria-label="Main">
                    <ul class="nav-links">
                        <li><A href="/keys">"API Keys"</A></li>
                        <li><A href="/guide">"Integration Guide"</A></li>
                        <li><A href="/speed-test">"Speed Test"</A></li>
                    </ul>
                </nav>
                <div class="site-tools">
                    <Tools info />
                </div>
            </div>
        </header>
        <main id="main" class="site-main" tabindex="-1" node_ref=main>
            <Outlet />
        </main>
        <footer class="site-footer">
            <Transition>
                {move || Suspend::new(async move {
                    info.await.ok().map(|info| format!("Odoo Bridge {}", info.version))
                })}
            </Transition>
        </footer>
    }
}

/// The frame of a page for somebody who is not signed in: one card in the middle.
#[component]
pub fn BareFrame(
    /// What is in the card, with the page's one `<h1>`.
    children: Children,
) -> impl IntoView {
    let info = Resource::new(|| (), |()| get_frame());
    view! {
        <Banner info />
        <main id="main" class="bare">
            <a class="brand" href="/">
                <Logo />
                "Odoo Bridge"
            </a>
            <div class="card bare-card">{children()}</div>
        </main>
    }
}

/// What is shown at an address without a page.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    platform::answer_not_found();
    view! {
        <Title text="Not found" />
        <BareFrame>
            <div class="form">
                <h1>"Nothing is here"</h1>
                <p class="muted">"There is no page at this address. The link may be old, or a letter may be wrong."</p>
                <a class="button button-primary" href="/keys">
                    "Go to the API keys"
                </a>
            </div>
        </BareFrame>
    }
}

#[component]
fn Banner(info: Resource<Result<FrameInfo>>) -> impl IntoView {
    view! {
        <Transition>
            {move || Suspend::new(async move {
                info.await.is_ok_and(|info| info.demo).then(|| view! {
                    <aside class="demo-banner" aria-label="Demo">
                        "You are looking at the built-in demo Odoo. Set " <code>"ODOO_URL"</code> ", " <code>"ODOO_DB"</code> ", "
                        <code>"ODOO_USERNAME"</code> " and " <code>"ODOO_API_KEY"</code> " to connect your own."
                    </aside>
                })
            })}
        </Transition>
    }
}

#[component]
fn Tools(info: Resource<Result<FrameInfo>>) -> impl IntoView {
    let sign_out = ServerAction::<SignOut>::new();
    view! {
        <Transition>
            {move || Suspend::new(async move {
                info.await.ok().map(|info| view! {
                    <ThemeSwitch chosen=info.theme />
                    {info.email.map(|email| view! {
                        <a class="button button-quiet button-small button-icon account-link" href="/account" title=email.clone() aria-label=format!("Account of {email}")>
                            <Icon shape=Shape::Person />
                            <span>{email.clone()}</span>
                        </a>
                        <ActionForm action=sign_out>
                            <button type="submit" class="button button-quiet button-small button-icon sign-out" aria-label="Sign out">
                                <Icon shape=Shape::Door />
                                <span>"Sign out"</span>
                            </button>
                        </ActionForm>
                    })}
                })
            })}
        </Transition>
    }
}

/// System, light or dark: at once in the browser, by a form without it.
#[component]
fn ThemeSwitch(chosen: Theme) -> impl IntoView {
    let set_theme = ServerAction::<SetTheme>::new();
    let chosen = RwSignal::new(chosen);
    let choose = move |theme: Theme| {
        chosen.set(theme);
        platform::set_theme(theme.attribute());
    };
    view! {
        <ActionForm action=set_theme>
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
                            on:click=move |_| choose(theme)
                        >
                            <Icon shape=theme.shape() />
                        </button>
                    })
                    .collect_view()}
            </div>
        </ActionForm>
    }
}

/// Puts the focus on the page when another one came, as a browser does when it
/// loads one; not when the first one came, and not for a change of its query.
fn focus_on_arrival(main: NodeRef<html::Main>) {
    let pathname = use_location().pathname;
    Effect::new(move |before: Option<String>| {
        let now = pathname.get();
        if before.is_some_and(|before| before != now)
            && let Some(main) = main.get_untracked()
        {
            // Can't fail: it has a tabindex.
            drop(main.focus());
        }
        now
    });
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
    fn only_a_choice_is_written_into_the_document() {
        assert_eq!(Theme::System.attribute(), None);
        assert_eq!(Theme::Dark.attribute(), Some("dark"));
    }
}
