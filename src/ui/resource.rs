//! What a page loads from the server.
//!
//! Like Leptos' own resource, but read by the same deserializer as the answers of
//! server functions: with two of them every type is in the WASM twice (58 kB of
//! code when it was measured).

use codee::{Decoder, Encoder};
use leptos::prelude::{ArcResource, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// JSON, written into the page by the server and read from there by the browser.
pub struct JsonInPage;

impl<T: Serialize> Encoder<T> for JsonInPage {
    type Error = serde_json::Error;
    type Encoded = String;

    fn encode(value: &T) -> Result<String, serde_json::Error> {
        serde_json::to_string(value)
    }
}

impl<T: DeserializeOwned> Decoder<T> for JsonInPage {
    type Error = serde_json::Error;
    type Encoded = str;

    fn decode(text: &str) -> Result<T, serde_json::Error> {
        serde_json::from_slice(text.as_bytes())
    }
}

/// What is loaded, now or later.
pub type Loaded<T> = Resource<T, JsonInPage>;

/// Loads by `fetcher` whatever `source` says, again whenever that changes.
#[track_caller]
pub fn load<T, S, Fut>(
    source: impl Fn() -> S + Send + Sync + 'static,
    fetcher: impl Fn(S) -> Fut + Send + Sync + 'static,
) -> Loaded<T>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
    S: PartialEq + Clone + Send + Sync + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    ArcResource::new_with_options(source, fetcher, false).into()
}
