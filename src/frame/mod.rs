//! What surrounds every page: the links to the others, the banners (the demo Odoo,
//! credentials that Odoo refuses), the theme switch and the way out. All of it works without JavaScript.

pub mod theme;

use leptos::html;
use leptos::prelude::*;
use leptos::server_fn::ServerFn as _;
use leptos_router::components::Outlet;
use leptos_router::hooks::use_location;
use serde::{Deserialize, Serialize};

use self::theme::{Theme, ThemeSwitch};
use crate::error::Result;
use crate::session::server_fns::SignOut;
use crate::ui::icon::{Icon, Logo, Shape};
use crate::ui::resource::{Loaded, load};

/// What the frame shows of the bridge and its reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameInfo {
    /// Who is signed in, if anybody is.
    pub email: Option<String>,
    /// Whether the Odoo behind the bridge is the built-in one.
    pub demo: bool,
    /// What to say while something is wrong with Odoo or Redis; for the signed in.
    pub alarm: Option<String>,
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
    use crate::connection::report::alarm_of;
    use crate::error::answer;
    use crate::session::guard::signed_in;
    use crate::state::state;

    answer(async {
        let cookies = use_context::<http::request::Parts>().and_then(|parts| {
            parts
                .headers
                .get(http::header::COOKIE)?
                .to_str()
                .map(str::to_owned)
                .ok()
        });
        let state = state()?;
        let email = signed_in().ok().map(|user| user.email);
        Ok(FrameInfo {
            alarm: email.as_ref().and_then(|_| {
                let instances = state.instances.as_ref().map(|instances| instances.report());
                alarm_of(&state.odoo.report(), instances.as_ref())
            }),
            email,
            demo: state.is_demo(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            theme: cookies.map(|header| Theme::of_cookies(&header)).unwrap_or_default(),
        })
    })
    .await
}

/// [`get_frame`], for whatever shows something of it.
#[must_use]
pub fn load_frame() -> Loaded<Result<FrameInfo>> {
    load(String::new, |_| get_frame())
}

/// The frame with the page inside.
#[component]
pub fn Frame() -> impl IntoView {
    let info = load_frame();
    // What went wrong since the last page was loaded shows on the next one.
    let pathname = use_location().pathname;
    let news = load(move || pathname.get(), |_| get_frame());
    let main = NodeRef::<html::Main>::new();
    focus_on_arrival(main);
    view! {
        // The browser itself follows it: only then does the focus go along.
        <a class="skip-link" href="#main" rel="external">
            "Skip to the content"
        </a>
        <Alarm news />
        <Banner info />
        <header class="site-header">
            <div class="site-header-inner">
                <a class="brand" href="/keys">
                    <Logo />
                    "Odoo Bridge"
                </a>
                <nav aria-label="Main">
                    <ul class="nav-links">
                        <NavLink class="" href="/keys" name="API Keys" pathname />
                        <NavLink class="" href="/guide" name="Integration Guide" pathname />
                        <NavLink class="" href="/calls" name="Calls" pathname />
                        <NavLink class="" href="/use" name="Use" pathname />
                        <NavLink class="" href="/speed-test" name="Speed Test" pathname />
                        <NavLink class="" href="/connection" name="Odoo Connection" pathname />
                        <NavLink class="for-admins" href="/people" name="People" pathname />
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

/// A link of the navigation. Not the router's own `<A>`: that knows relative addresses, which cost
/// code in the browser and of which there are none here.
#[component]
fn NavLink(class: &'static str, href: &'static str, name: &'static str, pathname: Memo<String>) -> impl IntoView {
    let is_here = move || {
        let path = pathname.get();
        let rest = path.strip_prefix(href)?;
        (rest.is_empty() || rest.starts_with('/')).then_some("page")
    };
    view! {
        <li class=class>
            <a href=href aria-current=is_here>
                {name}
            </a>
        </li>
    }
}

/// The frame of a page for somebody who is not signed in: one card in the middle.
#[component]
pub fn BareFrame(
    /// What is in the card, with the page's one `<h1>`.
    children: Children,
) -> impl IntoView {
    let info = load_frame();
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

/// Its place is always there, so that what comes into it is read out, once.
#[component]
fn Alarm(news: Loaded<Result<FrameInfo>>) -> impl IntoView {
    view! {
        <div class="alarm" role="status">
            <Transition>
                {move || Suspend::new(async move {
                    news.await.ok().and_then(|info| info.alarm).map(|alarm| view! {
                        <p>{alarm} " " <a href="/connection">"See the Odoo connection"</a></p>
                    })
                })}
            </Transition>
        </div>
    }
}

#[component]
fn Banner(info: Loaded<Result<FrameInfo>>) -> impl IntoView {
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
fn Tools(info: Loaded<Result<FrameInfo>>) -> impl IntoView {
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
                        <form method="post" action=SignOut::url()>
                            <button type="submit" class="button button-quiet button-small button-icon sign-out" aria-label="Sign out">
                                <Icon shape=Shape::Door />
                                <span>"Sign out"</span>
                            </button>
                        </form>
                    })}
                })
            })}
        </Transition>
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
