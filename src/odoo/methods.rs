//! Which of Odoo's methods only read. A call whose answer is lost is safe to
//! send again only if it is one of these.

/// Methods of Odoo's ORM that are known to change nothing. Everything else may
/// write: a name proves nothing, so the list is closed.
const READ_ONLY: [&str; 22] = [
    "check_access_rights",
    "default_get",
    "export_data",
    "fields_get",
    "formatted_read_group",
    "formatted_read_grouping_sets",
    "get_metadata",
    "get_views",
    "has_access",
    "name_get",
    "name_search",
    "read",
    "read_group",
    "read_progress_bar",
    "search",
    "search_count",
    "search_panel_select_range",
    "search_read",
    "web_name_search",
    "web_read",
    "web_read_group",
    "web_search_read",
];

/// Whether a call of `method` is sure not to change anything in Odoo.
#[must_use]
pub fn only_reads(method: &str) -> bool {
    READ_ONLY.binary_search(&method).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_for_the_search() {
        assert!(READ_ONLY.is_sorted());
    }

    #[test]
    fn a_method_that_merely_sounds_like_reading_may_write() {
        assert!(only_reads("search_read"));
        assert!(!only_reads("read_and_archive"));
        assert!(!only_reads("web_save"));
    }
}
