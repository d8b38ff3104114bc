//! Addresses of the list of keys: the whole state of the table is in them, and
//! nothing that is the default.

use leptos_router::params::ParamsMap;

use crate::keys::model::{KeyQuery, KeySort};

/// The address of the list that `query` describes.
pub(super) fn of(query: &KeyQuery) -> String {
    let mut params = ParamsMap::new();
    if !query.search.is_empty() {
        params.insert("q", query.search.clone());
    }
    if let Some(status) = query.status {
        params.insert("status", status.as_str().to_owned());
    }
    if query.sort != KeySort::default() {
        params.insert("sort", query.sort.as_str().to_owned());
    }
    if query.descending != descends_at_first(query.sort) {
        params.insert("dir", direction(query.descending).to_owned());
    }
    if query.page > 1 {
        params.insert("page", query.page.to_string());
    }
    format!("/keys{}", params.to_query_string())
}

/// The word in the URL.
pub(super) const fn direction(descending: bool) -> &'static str {
    if descending { "desc" } else { "asc" }
}

/// Whether a column shows its last first when it is chosen: of instants in the
/// past the latest matter most.
pub(super) fn descends_at_first(sort: KeySort) -> bool {
    matches!(sort, KeySort::CreatedAt | KeySort::LastUsedAt)
}

/// The query after a click on the head of a column.
pub(super) fn sorted_by(query: &KeyQuery, sort: KeySort) -> KeyQuery {
    let descending = if query.sort == sort {
        !query.descending
    } else {
        descends_at_first(sort)
    };
    KeyQuery {
        sort,
        descending,
        page: 1,
        ..query.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::model::KeyStatus;

    fn read(address: &str) -> KeyQuery {
        let query = address.split_once('?').map(|(_, query)| query).unwrap_or_default();
        let pairs: Vec<(String, String)> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), leptos_router::location::Url::unescape(value)))
            .collect();
        KeyQuery::from_params(|name| {
            pairs
                .iter()
                .find(|(other, _)| other == name)
                .map(|(_, value)| value.clone())
        })
    }

    #[test]
    fn the_default_needs_no_query() {
        assert_eq!(of(&KeyQuery::default()), "/keys");
    }

    #[test]
    fn what_is_written_into_the_address_is_read_from_it() {
        for sort in [
            KeySort::CreatedAt,
            KeySort::Name,
            KeySort::ExpiresAt,
            KeySort::LastUsedAt,
        ] {
            for descending in [true, false] {
                for status in [
                    None,
                    Some(KeyStatus::Active),
                    Some(KeyStatus::Expired),
                    Some(KeyStatus::Revoked),
                ] {
                    let query = KeyQuery {
                        search: "a&b=c #ü 100%".into(),
                        status,
                        sort,
                        descending,
                        page: 3,
                    };
                    assert_eq!(read(&of(&query)), query, "{}", of(&query));
                }
            }
        }
    }

    #[test]
    fn a_second_click_on_a_column_turns_it_around_and_goes_to_the_first_page() {
        let query = KeyQuery {
            page: 4,
            ..KeyQuery::default()
        };
        let by_name = sorted_by(&query, KeySort::Name);
        assert_eq!(
            (by_name.sort, by_name.descending, by_name.page),
            (KeySort::Name, false, 1)
        );
        assert!(sorted_by(&by_name, KeySort::Name).descending);
    }
}
