//! What goes into a CSV file.

/// A sheet would take some texts for formulas: those begin with an apostrophe.
#[must_use]
pub fn plain(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_cell_is_no_formula() {
        assert_eq!(plain("=1+1".into()), "'=1+1");
        assert_eq!(plain("{\"a\":1}".into()), "{\"a\":1}");
    }
}
