//! Methods that every model has, or every one with a chatter, and that this code does not
//! understand. Their arguments name fields, other models and records of any kind, so that
//! no rule can give them away: whoever has one of them walks past all the rest.

/// By name.
const METHODS: [&str; 61] = [
    "browse",
    "copy_data",
    "copy_translations",
    "ensure_one",
    "exists",
    "export_xml_id",
    "fetch",
    "fields_view_get",
    "filtered",
    "filtered_domain",
    "find_or_create_record",
    "flush_model",
    "flush_recordset",
    "formatted_read_grouping_sets",
    "get_external_id",
    "get_field_translations",
    "get_formview_action",
    "get_formview_id",
    "get_import_templates",
    "get_metadata",
    "get_property_definition",
    "get_view",
    "get_views",
    "invalidate_model",
    "invalidate_recordset",
    "load_views",
    "mail_allowed_qweb_expressions",
    "mail_get_partner_fields",
    "mapped",
    "message_change_thread",
    "message_mail_with_source",
    "message_new",
    "message_parse",
    "message_post_with_source",
    "message_process",
    "message_route",
    "message_update",
    "modified",
    "name_get",
    "new",
    "onchange",
    "read_group_raw",
    "read_progress_bar",
    "search_fetch",
    "search_or_create",
    "search_panel_select_multi_range",
    "search_panel_select_range",
    "sudo",
    "tracking_fields",
    "update",
    "update_field_translations",
    "view_header_get",
    "web_name_search",
    "web_override_translations",
    "web_read_group",
    "web_resequence",
    "web_save_multi",
    "with_company",
    "with_context",
    "with_env",
    "with_user",
];

/// Whether no rule can give a method away, whatever the model.
pub(super) fn is_generic(method: &str) -> bool {
    METHODS.binary_search(&method).is_ok()
}

#[cfg(test)]
mod tests {
    use super::super::methods;
    use super::*;

    #[test]
    fn the_list_is_sorted_for_the_search() {
        assert!(METHODS.is_sorted());
    }

    #[test]
    fn what_is_understood_is_not_on_it_and_what_business_names_is_not_either() {
        for method in METHODS {
            assert!(methods::find("sale.order", method).is_none(), "{method}");
        }
        for method in [
            "action_confirm",
            "message_post",
            "message_subscribe",
            "activity_schedule",
        ] {
            assert!(!is_generic(method), "{method}");
        }
    }
}
