//! An error in words, with what to do next.

use leptos::prelude::*;

use crate::error::{AppError, ErrorCode};

/// The error's sentence and the next step: signing in again, or trying again.
/// An error over what a person typed is its own remedy and gets no more words.
#[component]
pub fn ErrorView(
    /// What went wrong.
    error: AppError,
) -> impl IntoView {
    let AppError {
        message,
        code,
        retry_after_secs,
        ..
    } = error;
    view! {
        <div class="notice notice-bad" role="alert">
            <p>{message.into_owned()}</p>
            {match code {
                // The browser itself follows both links: the page begins anew.
                ErrorCode::Unauthenticated => {
                    Some(view! { <p><a rel="external" href="/login">"Sign in"</a></p> }.into_any())
                }
                code if code.retryable() || code == ErrorCode::Internal => {
                    Some(
                        view! {
                            <p>
                                <a rel="external" href="">"Load the page again"</a>
                                {retry_after_secs.map(|secs| format!(" in {secs} seconds"))}
                                "."
                            </p>
                        }
                            .into_any(),
                    )
                }
                _ => None,
            }}
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_signed_out_is_led_to_sign_in() {
        let error = AppError::new(ErrorCode::Unauthenticated, "Sign in to do this.");
        let html = view! { <ErrorView error /> }.to_html();
        assert!(html.contains("Sign in to do this."), "{html}");
        assert!(html.contains(r#"href="/login""#), "{html}");
    }

    #[test]
    fn what_may_pass_says_when_to_try_again() {
        let error = AppError::new(ErrorCode::Unavailable, "The database is away.").retry_after_secs(5);
        let html = view! { <ErrorView error /> }.to_html();
        assert!(html.contains("in 5 seconds"), "{html}");
    }

    #[test]
    fn the_words_of_an_error_are_text_and_never_markup() {
        let html = view! { <ErrorView error=AppError::invalid("<script>alert(1)</script>") /> }.to_html();
        assert!(!html.contains("<script>"), "{html}");
    }
}
