//! The map of every page, nothing else.

use leptos::prelude::*;
use leptos_meta::{Title, provide_meta_context};
use leptos_router::components::{ParentRoute, Redirect, Route, Router, Routes};
use leptos_router::{SsrMode, path};

use crate::frame::Frame;
use crate::guide::view::GuidePage;
use crate::keys::view::{KeyPage, KeysPage};
use crate::printed::view::{BarePrintedPage, PrintedPage};
use crate::session::view::{AccountPage, LoginPage, SetupPage};
use crate::speed_test::view::SpeedTestPage;

/// The whole dashboard. Pages are rendered completely before the first byte is
/// sent, so that they are whole without JavaScript.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    view! {
        <Title formatter=|title: String| if title.is_empty() { "Odoo Bridge".to_owned() } else { format!("{title} \u{b7} Odoo Bridge") } />
        <Router>
            <Routes fallback=|| ()>
                <Route path=path!("/login") view=LoginPage ssr=SsrMode::Async />
                <Route path=path!("/setup") view=SetupPage ssr=SsrMode::Async />
                <Route path=path!("/login/code") view=BarePrintedPage ssr=SsrMode::Async />
                <Route path=path!("/join/:token") view=BarePrintedPage ssr=SsrMode::Async />
                <ParentRoute path=path!("") view=Frame ssr=SsrMode::Async>
                    <Route path=path!("/") view=|| view! { <Redirect path="/keys" /> } />
                    <Route path=path!("/keys") view=KeysPage ssr=SsrMode::Async />
                    <Route path=path!("/keys/:id") view=KeyPage ssr=SsrMode::Async />
                    <Route path=path!("/guide") view=GuidePage ssr=SsrMode::Async />
                    <Route path=path!("/speed-test") view=SpeedTestPage ssr=SsrMode::Async />
                    <Route path=path!("/account") view=AccountPage ssr=SsrMode::Async />
                    // Which there are is said by `printed::pages`: here they would cost bytes in the browser.
                    <Route path=path!("/*printed") view=PrintedPage ssr=SsrMode::Async />
                </ParentRoute>
            </Routes>
        </Router>
    }
}
