//! Links to the pages of a list.

use leptos::prelude::*;

use crate::ui::icon::{Icon, Shape};

/// Previous and next as real links, so that they work before and without WASM.
/// Nothing at all if there is only one page.
#[component]
pub fn Pagination(
    /// This page, from 1.
    page: u32,
    /// How many there are, at least 1.
    pages: u32,
    /// The address of a page.
    href: Callback<u32, String>,
) -> impl IntoView {
    (pages > 1).then(|| {
        let before = (page > 1).then(|| href.run(page - 1));
        let after = (page < pages).then(|| href.run(page + 1));
        view! {
            <nav class="pagination" aria-label="Pages">
                // A link without an address is a place, not a link: it can't be followed or focused.
                <a class="button button-small" rel="prev" href=before.clone() aria-disabled=before.is_none().then_some("true") role=before.is_none().then_some("link")>
                    <Icon shape=Shape::ArrowLeft />
                    "Previous"
                </a>
                <span class="pagination-place">{format!("Page {page} of {pages}")}</span>
                <a class="button button-small" rel="next" href=after.clone() aria-disabled=after.is_none().then_some("true") role=after.is_none().then_some("link")>
                    "Next"
                    <Icon shape=Shape::ArrowRight />
                </a>
            </nav>
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(page: u32, pages: u32) -> String {
        let owner = Owner::new();
        owner.with(|| {
            view! { <Pagination page pages href=Callback::new(|page| format!("/keys?page={page}")) /> }.to_html()
        })
    }

    #[test]
    fn the_first_page_leads_only_forward() {
        let html = html(1, 3);
        assert!(html.contains(r#"href="/keys?page=2""#), "{html}");
        assert!(!html.contains("page=0"), "{html}");
    }

    #[test]
    fn the_last_page_leads_only_back() {
        let html = html(3, 3);
        assert!(html.contains(r#"href="/keys?page=2""#), "{html}");
        assert!(!html.contains("page=4"), "{html}");
    }

    #[test]
    fn a_single_page_needs_no_links() {
        assert!(!html(1, 1).contains("nav"));
    }
}
